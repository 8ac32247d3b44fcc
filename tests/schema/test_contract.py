"""The published contract is a file; the code has to say the same."""

from pathlib import Path

from gql.schema import schema

CONTRACT = Path(__file__).parents[2] / "schema.graphql"


def test_the_file_is_what_the_code_says() -> None:
    """After a change of the API, `mandate schema` writes it anew, and a reviewer reads the difference."""
    assert CONTRACT.read_text(encoding="utf-8") == schema().as_str() + "\n", "Run `mandate schema > schema.graphql`."
