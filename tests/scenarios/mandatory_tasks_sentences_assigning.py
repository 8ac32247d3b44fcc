"""The guide to mandatory tasks up to bulk assignment, sentence by sentence. Rows of tables count as sentences."""

from tests.scenarios.sentences import Sentence, other, played

#: By number, in the order of the guide.
SENTENCES: dict[int, Sentence] = {
    1: other("Assigning mandatory tasks¶", "A heading."),
    2: played(
        "A mandatory task is the binding variant of an enrollment: you assign a course or learning path with a "
        "deadline to a learner or a whole group.",
        "test_a_course_or_path_is_assigned_with_a_deadline",
        "test_target_due_date_and_note_are_those_of_every_task",
        "test_learners_cannot_cancel_a_task",
    ),
    3: played(
        "The system enrolls them automatically, sends reminders, and shows you who is behind.",
        "test_who_is_assigned_is_enrolled_without_anything_else",
        "test_reminders_run_automatically_shortly_after_midnight_and_once",
        "test_the_overview_shows_who_is_behind",
    ),
    4: other(
        'This is how you make sure your learners really finish a training by a cutoff date — not just "at some point".',
        "A benefit.",
    ),
    5: other("Org-wide instead of for your courses?", "A heading."),
    6: played(
        "This guide is tailored to your courses and your learners.",
        "test_trainers_steer_their_own_courses_and_administrators_the_whole_company",
    ),
    7: played(
        "If you steer mandatory tasks across several trainers, departments or the whole company, take a look at the "
        "administrator guide: Steering mandatory tasks org-wide.",
        "test_trainers_steer_their_own_courses_and_administrators_the_whole_company",
    ),
    8: other("Where to find mandatory tasks¶", "A heading."),
    9: other("In the main menu under Administration → Mandatory tasks.", "About pages of the user interface."),
    10: played(
        "The area is visible from the trainer role upwards.",
        "test_the_area_is_visible_from_the_trainer_role_upwards",
    ),
    11: other("Screenshot to follow", "A picture."),
    12: other('Mandatory-tasks overview in the "Administration" menu', "A picture."),
    13: other("Giving one person a mandatory task¶", "A heading."),
    14: other("Open Administration → Mandatory tasks.", "About pages of the user interface."),
    15: other("Click New.", "About pages of the user interface."),
    16: other("Fill in the fields:", "Introduces what follows."),
    17: other("Field | What you enter", "The header of a table."),
    18: played(
        "Target | Choose course or learning path.",
        "test_a_course_or_path_is_assigned_with_a_deadline",
    ),
    19: played(
        "For a learning path, the person is automatically enrolled in all mandatory courses of the path; the task is "
        "only done once the whole path is completed.",
        "test_a_path_task_enrolls_in_the_mandatory_courses_and_is_done_once_the_path_is",
    ),
    20: played(
        "Person | The learner (search by name or email)",
        "test_the_person_is_found_by_name_or_email",
    ),
    21: played(
        "Due date | Mandatory field — at least a few days in the future",
        "test_the_due_date_is_mandatory_and_a_few_days_ahead",
    ),
    22: played(
        "Repetition (weeks) (optional) | e.g. 52 for a yearly repetition — see Recurring mandatory tasks",
        "test_a_yearly_briefing_is_due_again_52_weeks_later",
        "test_without_repetition_nothing_comes_after_completion",
    ),
    23: played(
        'Note (optional) | Shown to the person in the course player, e.g. "Please before the next team meeting"',
        "test_the_note_is_shown_to_the_person",
    ),
    24: other("Configure reminders — see below.", "Names what follows."),
    25: other("Save.", "About pages of the user interface."),
    26: played(
        "The person receives a notification in the platform and (depending on the setting) by email.",
        "test_the_person_is_notified_in_the_platform_and_depending_on_the_setting_by_email",
    ),
    27: played(
        "They're enrolled automatically — a separate enrollment via Managing participants is not needed.",
        "test_who_is_assigned_is_enrolled_without_anything_else",
    ),
    28: other("Screenshot to follow", "A picture."),
    29: other("Mandatory-task form with target selection course / learning path", "A picture."),
    30: other("Course or learning path?", "A heading."),
    31: played(
        "A single course is enough for a one-off training.",
        "test_a_course_or_path_is_assigned_with_a_deadline",
        "test_without_repetition_nothing_comes_after_completion",
    ),
    32: played(
        "If your cohort should go through a sequence of several courses in a fixed order, assign a learning path — see "
        "Assembling learning paths.",
        "test_a_path_is_a_sequence_of_courses_in_a_fixed_order",
        "test_target_due_date_and_note_are_those_of_every_task",
    ),
    33: other("Setting up reminders¶", "A heading."),
    34: played(
        "You can define any number of reminders per mandatory task.",
        "test_any_number_of_reminders_can_be_defined",
    ),
    35: played(
        "The default is one reminder to the person three days before the due date.",
        "test_the_default_is_one_to_the_person_three_days_before",
    ),
    36: other("Per reminder you set:", "Introduces what follows."),
    37: other("Field | What it means", "The header of a table."),
    38: played(
        "Days relative to the due date | A positive number = before the deadline.",
        "test_positive_days_are_before_and_negative_ones_after_the_deadline",
    ),
    39: played(
        "A negative number = after the deadline (a dunning notice if overdue).",
        "test_positive_days_are_before_and_negative_ones_after_the_deadline",
        "test_onboarding_only_when_overdue",
    ),
    40: played(
        "Email template (optional) | If you don't choose your own template, a default email is sent.",
        "test_a_reminder_uses_its_own_template_or_the_default_email",
    ),
    41: played(
        "Recipient | The person themselves and/or you as the assigning person.",
        "test_recipients_are_the_person_and_the_assigning_person",
    ),
    42: other("Typical setups:", "Introduces what follows."),
    43: other("Use case | Reminders", "The header of a table."),
    44: played(
        "Casual mandatory task | One email 3 days before the due date to the person",
        "test_casual_task_one_email_three_days_before",
    ),
    45: played(
        "Important compliance training | Emails 14 / 7 / 3 / 1 day(s) before the due date; + a 1-day grace-period "
        "reminder to the person and you",
        "test_important_training_14_7_3_1_days_before_and_one_day_after",
    ),
    46: played(
        "Onboarding requirement | Only when overdue — a reminder 7 days after the deadline",
        "test_onboarding_only_when_overdue",
    ),
    47: played(
        "Reminders run automatically",
        "test_reminders_run_automatically_shortly_after_midnight_and_once",
    ),
    48: played(
        "You don't have to send anything manually — the system checks several times a day which reminders are due and "
        "sends them itself.",
        "test_reminders_run_automatically_shortly_after_midnight_and_once",
    ),
    49: played(
        'A "3 days before" email normally arrives shortly after midnight of the relevant day.',
        "test_reminders_run_automatically_shortly_after_midnight_and_once",
    ),
}
