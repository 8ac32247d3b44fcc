"""Whether a secret can be trusted to sign tokens. Whoever guesses it is anybody in any tenant."""

MIN_BYTES = 32
#: What secrets begin with that `mandate up` makes for itself: they lie about on the disks of developers.
DEVELOPMENT = "development-"
#: A secret of fewer different characters was typed, not drawn.
MIN_VARIETY = 10
#: What stands in the examples of documentation, to be replaced. Words so long that no random secret holds them.
PLACEHOLDERS = (
    *("changeme", "change-me", "change_me", "change this", "change-this", "change_this", "changethis"),
    *("replaceme", "replace-me", "replace_me", "replace this", "replace-this", "replace_this"),
    *("your-secret", "your_secret", "your secret", "yoursecret", "placeholder", "example", "insecure"),
)


def find_weakness(secret: str, *, in_production: bool) -> str | None:
    """Return what is wrong with a secret, as a sentence about SECRET_KEY that does not repeat it, or None."""
    if len(secret.encode()) < MIN_BYTES:
        return f"SECRET_KEY is missing or shorter than {MIN_BYTES} bytes."
    if not in_production:
        return None
    if secret.startswith(DEVELOPMENT):
        return "SECRET_KEY is a development secret, made by `mandate up`: production needs its own."
    if any(placeholder in secret.lower() for placeholder in PLACEHOLDERS):
        return "SECRET_KEY is the secret of an example: use random bytes, as from `openssl rand -base64 48`."
    # A text that is a piece of its own repetition is one piece again and again.
    if len(set(secret)) < MIN_VARIETY or secret in (secret + secret)[1:-1]:
        return "SECRET_KEY can be guessed: use random bytes, as from `openssl rand -base64 48`."
    return None
