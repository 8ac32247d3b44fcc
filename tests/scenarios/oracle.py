"""What rules, managers, reports and paths do to enrollments, in plain Python: one small company in dictionaries.

Written from the specification alone, as slow and as obvious as possible: the product has to agree with it.
"""

from collections import Counter

from tests.scenarios.facts import (
    LEARNER,
    LESSONS,
    MANAGER,
    ORDER,
    ORPHAN,
    Condition,
    Enrollment,
    Person,
    Policy,
    Reason,
    Rule,
    Status,
    meets,
)


class Oracle:
    """The company. Methods are what happens, attributes what is so then."""

    def __init__(self, people: list[str], paths: dict[str, dict[str, bool]]) -> None:
        self.people = {name: Person() for name in people}
        #: Courses of each path, and whether they are mandatory.
        self.paths = paths
        #: In the order of their creation.
        self.rules: dict[str, Rule] = {}
        self.is_enabled = True
        #: (person, content, action, source, rule) and how often it is in the log; what comes with a path is left out.
        self.log: Counter[tuple[str, str, str, str, str | None]] = Counter()
        self.step = 0

    def matches(self, rule: Rule, person: Person) -> bool:
        """Tell whether somebody meets a rule."""
        verdicts = [meets(person, condition) for condition in rule.conditions]
        return person.is_active and (all(verdicts) if rule.match == "ALL" else any(verdicts))

    # People and managers.

    def change(self, name: str, refs: dict[int, str | None], come: set[str], go: set[str]) -> None:
        """Change reference values and placements at once."""
        person = self.people[name]
        for number, value in refs.items():
            person.refs.pop(number, None)
            if value is not None:
                person.refs[number] = value
        person.places = (person.places | come) - go
        self._settle(name)

    def activate(self, name: str, is_active: bool) -> None:
        """Deactivate or reactivate somebody."""
        self.people[name].is_active = is_active
        self._settle(name)

    def enroll(self, name: str, content: str, reason: Reason = MANAGER) -> None:
        """Enroll somebody by hand: it writes facts, also on top of what rules gave."""
        enrollment = self._enrollment(name, content)
        if reason not in enrollment.reasons:
            if not enrollment.reasons:
                self.log[name, content, "ENROLLED", reason.source, None] += 1
            enrollment.reasons.append(reason)
        self._give_courses(name, content)
        self._catch_up(name, content)
        for written in (content, *self._mandatory(content)):
            inside = self._enrollment(name, written)
            inside.fact = inside.status
        self._settle(name)

    def unenroll(self, name: str, content: str) -> None:
        """End every reason by hand, and what came with it if it is a path."""
        self.people[name].taken_out[content] = self.step
        enrollment = self._enrollment(name, content)
        enrollment.reasons.clear()
        self.log[name, content, "UNENROLLED", "MANAGER", None] += 1
        for ended in [content, *self._take_courses(name, content)]:
            inside = self._enrollment(name, ended)
            if inside.status == "NOT_STARTED":
                inside.fact = None
        self._settle(name)

    def leave(self, name: str, content: str) -> None:
        """Let somebody end their own voluntary enrollment."""
        person = self.people[name]
        enrollment = person.enrollments[content]
        enrollment.reasons.remove(LEARNER)
        if not enrollment.reasons:
            person.taken_out[content] = self.step
            self.log[name, content, "UNENROLLED", "LEARNER", None] += 1
            if enrollment.status == "NOT_STARTED":
                enrollment.fact = None
        self._settle(name)

    def report(self, name: str, course: str, lessons: int) -> None:
        """Report lessons done; what changes nothing is nothing."""
        enrollment = self.people[name].enrollments[course]
        if lessons <= enrollment.lessons:
            return
        enrollment.lessons = lessons
        enrollment.status = "COMPLETED" if lessons == LESSONS else "IN_PROGRESS"
        enrollment.fact = enrollment.status
        for path, courses in self.paths.items():
            held = self.people[name].enrollments.get(path)
            if course in courses and held and held.reasons:
                self._catch_up(name, path)
                held.fact = held.status
        self._settle(name)

    def change_path(self, path: str, courses: dict[str, bool]) -> None:
        """Change what a path consists of; who is enrolled follows."""
        before = set(self._mandatory(path))
        self.paths[path] = courses
        after = set(self._mandatory(path))
        if before == after:
            return
        reason = Reason("LEARNING_PATH", path=path)
        for name, person in self.people.items():
            held = person.enrollments.get(path)
            if held is None or not held.reasons:
                continue
            writes_facts = any(reason.source != "AUTO_ENROLLMENT" for reason in held.reasons)
            for course in before - after:
                if reason in self._reasons(name, course):
                    inside = self._enrollment(name, course)
                    inside.reasons.remove(reason)
                    if not inside.reasons and writes_facts and inside.status == "NOT_STARTED":
                        inside.fact = None
            for course in after - before:
                if reason not in self._reasons(name, course):
                    inside = self._enrollment(name, course)
                    inside.reasons.append(reason)
                    if writes_facts:
                        inside.fact = inside.status
            self._catch_up(name, path)
            if writes_facts:
                held.fact = held.status
            self._settle(name)

    # Rules.

    def create_rule(self, name: str, rule: Rule, backfills: bool) -> None:
        """Create a rule; who meets it already is a member, and enrolled if it backfills."""
        self.rules[name] = rule
        self._lay_down_members(name, backfills, list(rule.gives))

    def edit_rule(
        self,
        name: str,
        *,
        adds: list[str],
        removes: list[str],
        conditions: list[Condition] | None,
        when_unmet: Policy | None,
        backfills: bool,
    ) -> None:
        """Change a rule; nobody leaves or enters by it."""
        rule = self.rules[name]
        rule.when_unmet = when_unmet or rule.when_unmet
        for content in removes:
            del rule.gives[content]
        for content in adds:
            rule.gives[content] = self.step
        if conditions is not None and conditions != rule.conditions:
            rule.conditions = conditions
            self._lay_down_members(name, backfills, list(rule.gives))
        elif backfills and adds:
            for member in list(rule.members):
                self._enter(member, name, adds)

    def backfill(self, name: str) -> None:
        """Enroll members in what the rule has never enrolled them in, unless a manager has taken them out since."""
        rule = self.rules[name]
        for member, since in list(rule.members.items()):
            for content, given_since in rule.gives.items():
                taken_out = self.people[member].taken_out.get(content, -1)
                if (member, content) not in rule.has_enrolled and taken_out < max(since, given_since):
                    self._enter(member, name, [content])

    def delete_rule(self, name: str, revokes: bool) -> None:
        """Delete a rule: its reasons become permanent, or end everywhere."""
        for person_name, person in self.people.items():
            holding = [
                content
                for content, enrollment in person.enrollments.items()
                if any(reason.rule == name for reason in enrollment.reasons)
            ]
            for content in holding:
                reasons = person.enrollments[content].reasons
                reasons[:] = [reason for reason in reasons if reason.rule != name] + [ORPHAN] * (not revokes)
            self._end(person_name, dict.fromkeys(holding, name))
        del self.rules[name]

    def switch(self, is_enabled: bool) -> None:
        """Switch the feature; back on, every rule is reconciled."""
        self.is_enabled = is_enabled
        for name in self.people:
            self._settle(name)

    # What follows.

    def _settle(self, name: str) -> None:
        """Evaluate all rules for one person, and do first what leaving does, then what entering does."""
        if not self.is_enabled:
            return
        person = self.people[name]
        verdicts = {rule_name: self.matches(rule, person) for rule_name, rule in self.rules.items()}
        left = [rule for rule, is_met in verdicts.items() if not is_met and name in self.rules[rule].members]
        entered = [rule for rule, is_met in verdicts.items() if is_met and name not in self.rules[rule].members]
        for rule in left:
            del self.rules[rule].members[name]
        self._leave(name, left)
        for rule in entered:
            self.rules[rule].members[name] = self.step
            self._enter(name, rule, list(self.rules[rule].gives))

    def _leave(self, name: str, left: list[str]) -> None:
        causes: dict[str, str] = {}
        unenrolled: list[tuple[str, Reason]] = []
        person = self.people[name]
        held = {
            rule: [content for content in self.rules[rule].gives if self._own(name, content, rule)] for rule in left
        }
        for rule in left:
            for content in held[rule]:
                own = self._own(name, content, rule)
                reasons = person.enrollments[content].reasons
                match self.rules[rule].when_unmet:
                    case "KEEP" if own:
                        reasons[reasons.index(own)] = own._replace(is_permanent=True)
                    case "RELEASE":
                        causes.setdefault(content, rule)
                        if own:
                            reasons.remove(own)
                    case "UNENROLL":
                        causes.setdefault(content, rule)
                        unenrolled += [(content, reason) for reason in reasons]
                        reasons.clear()
        self._end(name, causes)
        # All unenrollments are done; now other rules give back what was theirs.
        for content, reason in unenrolled:
            if reason.rule and name in self.rules[reason.rule].members:
                self._enter(name, reason.rule, [content])
        for content, reason in unenrolled:
            if reason.path and any(
                own.rule and name in self.rules[own.rule].members for own in person.enrollments[reason.path].reasons
            ):
                self._give_courses(name, reason.path, only=content)

    def _end(self, name: str, causes: dict[str, str]) -> None:
        """Log what has ended with the rule that ended it, and end what was there only because of a path."""
        person = self.people[name]
        ended = [content for content in causes if not person.enrollments[content].reasons]
        for content in ended:
            for course in self._take_courses(name, content):
                if course in causes and course not in ended:
                    self.log[name, course, "UNENROLLED", "AUTO_UNENROLLMENT", causes[course]] += 1
            self.log[name, content, "UNENROLLED", "AUTO_UNENROLLMENT", causes[content]] += 1

    def _enter(self, name: str, rule_name: str, contents: list[str]) -> None:
        rule = self.rules[rule_name]
        for content in contents:
            enrollment = self._enrollment(name, content)
            own = self._own(name, content, rule_name)
            if own:
                enrollment.reasons.remove(own)
            enrollment.reasons.append(Reason("AUTO_ENROLLMENT", rule=rule_name))
            self.log[name, content, "ENROLLED", "AUTO_ENROLLMENT", rule_name] += 1
            rule.has_enrolled.add((name, content))
            self._give_courses(name, content)
            self._catch_up(name, content)

    def _lay_down_members(self, name: str, backfills: bool, contents: list[str]) -> None:
        rule = self.rules[name]
        rule.members = {}
        for person_name, person in self.people.items():
            if self.matches(rule, person):
                rule.members[person_name] = self.step
                if backfills:
                    self._enter(person_name, name, contents)

    def _own(self, name: str, content: str, rule: str) -> Reason | None:
        return next((reason for reason in self._reasons(name, content) if reason.rule == rule), None)

    def _enrollment(self, name: str, content: str) -> Enrollment:
        return self.people[name].enrollments.setdefault(content, Enrollment())

    def _reasons(self, name: str, content: str) -> list[Reason]:
        enrollment = self.people[name].enrollments.get(content)
        return enrollment.reasons if enrollment else []

    def _mandatory(self, content: str) -> list[str]:
        return [course for course, is_mandatory in self.paths.get(content, {}).items() if is_mandatory]

    def _give_courses(self, name: str, path: str, *, only: str | None = None) -> None:
        """Add the reason "path" in the mandatory courses, or only in one, where it is missing."""
        reason = Reason("LEARNING_PATH", path=path)
        for course in self._mandatory(path):
            if only in (None, course) and reason not in self._reasons(name, course):
                self._enrollment(name, course).reasons.append(reason)

    def _take_courses(self, name: str, path: str) -> list[str]:
        """End the reason "path" of an ended path, and return the courses that have ended with it."""
        reason = Reason("LEARNING_PATH", path=path)
        ended = []
        for course, enrollment in self.people[name].enrollments.items():
            if reason in enrollment.reasons:
                enrollment.reasons.remove(reason)
                if not enrollment.reasons:
                    ended.append(course)
        return ended

    def _catch_up(self, name: str, path: str) -> None:
        """Let the status of a path follow its courses, never downwards."""
        courses = self._mandatory(path)
        if not courses:
            return
        known = self.people[name].enrollments
        reached = [known[course].status if course in known else "NOT_STARTED" for course in courses]
        now: Status = "IN_PROGRESS"
        if all(status == "COMPLETED" for status in reached):
            now = "COMPLETED"
        elif all(status == "NOT_STARTED" for status in reached):
            now = "NOT_STARTED"
        enrollment = self._enrollment(name, path)
        enrollment.status = max(enrollment.status, now, key=ORDER.index)
