"""The guide to mandatory tasks from bulk assignment to its end, sentence by sentence. Rows of tables count as ones."""

from tests.scenarios.sentences import Sentence, other, played

#: By number, in the order of the guide.
SENTENCES: dict[int, Sentence] = {
    50: other("Several learners at once — bulk assignment¶", "A heading."),
    51: played(
        "For a whole cohort, an onboarding or a training wave, the bulk-assignment dialog is worthwhile.",
        "test_the_system_creates_all_tasks_at_once",
    ),
    52: other("In the mandatory-tasks overview, click Bulk assignment.", "About pages of the user interface."),
    53: other("The dialog guides you through four steps:", "Introduces what follows."),
    54: played(
        "Step 1 – Basic info: target (course or learning path), due date, optional note",
        "test_target_due_date_and_note_are_those_of_every_task",
    ),
    55: other("Step 2 – Select people via three tabs:", "Introduces what follows."),
    56: played(
        "Individually — pick people one by one from the search",
        "test_people_are_selected_individually_by_department_and_by_learning_group",
    ),
    57: played(
        "By department — a whole department",
        "test_people_are_selected_individually_by_department_and_by_learning_group",
    ),
    58: played(
        "By learning group — all members of one of your learning groups",
        "test_people_are_selected_individually_by_department_and_by_learning_group",
        "test_a_trainer_takes_one_of_their_own_learning_groups",
    ),
    59: played(
        "Step 3 – Reminders: as with individual assignment, applies equally to all created tasks",
        "test_reminders_apply_equally_to_all_created_tasks",
    ),
    60: played(
        "Step 4 – Preview: number + list of all people who will receive the assignment",
        "test_the_preview_shows_number_and_list_of_all_people",
    ),
    61: played(
        "Confirm — the system creates all mandatory tasks at once.",
        "test_the_system_creates_all_tasks_at_once",
    ),
    62: other("Screenshot to follow", "A picture."),
    63: other("Bulk assignment step 2 with the learning-group tab", "A picture."),
    64: played(
        "Existing mandatory tasks (same target + same person) are skipped — no duplicate assignments.",
        "test_existing_tasks_are_skipped_and_the_result_tells_created_skipped_and_failed",
    ),
    65: played(
        "The result banner shows: created, skipped, and any that failed.",
        "test_existing_tasks_are_skipped_and_the_result_tells_created_skipped_and_failed",
    ),
    66: other("Recurring mandatory tasks (subscription)¶", "A heading."),
    67: played(
        "If a training should be repeated regularly — e.g. an annual data-protection briefing — set the Repetition "
        "(weeks) field when creating it, e.g. 52 for yearly.",
        "test_a_yearly_briefing_is_due_again_52_weeks_later",
    ),
    68: played(
        'After completion, the system automatically schedules the next date and resets the task to "assigned" at the '
        "due time; the person is notified and the reminders run again.",
        "test_the_task_is_assigned_again_the_person_notified_and_reminded_again",
    ),
    69: played(
        "This also works for a bulk assignment to a whole group.",
        "test_a_whole_group_gets_a_recurring_task",
    ),
    70: other("Tracking the status¶", "A heading."),
    71: other("In the mandatory-tasks overview you see per task:", "Introduces what follows."),
    72: other("Status | What it means", "The header of a table."),
    73: played(
        "Assigned | The person is enrolled but hasn't done anything yet",
        "test_each_status_means_what_the_table_says",
    ),
    74: played(
        "In progress | At least one lesson worked on",
        "test_each_status_means_what_the_table_says",
    ),
    75: played(
        "Completed | Course/path successfully finished, minimum score reached",
        "test_each_status_means_what_the_table_says",
        "test_completed_means_finished_with_the_minimum_score",
    ),
    76: played(
        'Overdue | Deadline passed, status not "Completed"',
        "test_each_status_means_what_the_table_says",
        "test_the_overview_shows_who_is_behind",
    ),
    77: other("Filter to what needs your attention", "A heading."),
    78: played(
        "Set the filter to open and overdue tasks — those are the learners you may need to follow up with.",
        "test_open_and_overdue_tasks_are_filtered_for_follow_up",
    ),
    79: played(
        "You can go into more detail per person via Managing participants.",
        "test_more_detail_per_person_is_in_the_enrollments",
    ),
    80: other("Changing or withdrawing a mandatory task¶", "A heading."),
    81: other("Click the mandatory task in the list.", "About pages of the user interface."),
    82: played(
        "Edit — extend the deadline, adjust the note, reconfigure the reminders.",
        "test_deadline_note_and_reminders_are_edited",
    ),
    83: played(
        "Existing reminders are recalculated based on the new deadline.",
        "test_deadline_note_and_reminders_are_edited",
        "test_the_deadline_can_be_extended_after_reminders_were_sent",
    ),
    84: played(
        "Or Withdraw — the task is removed, and the person receives a notification.",
        "test_a_withdrawn_task_is_removed_and_the_person_notified",
    ),
    85: played("Completion is retained", "test_a_completed_task_cannot_be_withdrawn"),
    86: played(
        "You can no longer withdraw a completed mandatory task — the completion remains in the person's learning "
        "history.",
        "test_a_completed_task_cannot_be_withdrawn",
    ),
    87: other("Frequently asked questions¶", "A heading."),
    88: played(
        "A person already completed the course before the mandatory task — do they get it twice?",
        "test_a_course_completed_before_fulfils_the_task_right_away",
    ),
    89: played("No.", "test_a_course_completed_before_fulfils_the_task_right_away"),
    90: played(
        "The system recognizes the existing enrollment.",
        "test_an_existing_enrollment_is_recognised",
    ),
    91: played(
        "The mandatory task is created and immediately jumps to the current state.",
        "test_an_existing_enrollment_is_recognised",
        "test_a_course_completed_before_fulfils_the_task_right_away",
    ),
    92: played(
        "If the course was already completed, the mandatory task is fulfilled right away.",
        "test_a_course_completed_before_fulfils_the_task_right_away",
    ),
    93: played(
        "A person says they didn't get a reminder.",
        "test_why_somebody_got_no_reminder_is_told",
    ),
    94: played(
        "Possible reasons: the email is in the spam folder, an outdated email address in the profile, or the person "
        'disabled email for "mandatory tasks" in their notification settings.',
        "test_why_somebody_got_no_reminder_is_told",
    ),
    95: played(
        "The mandatory task still has to be done — the deadline stays.",
        "test_why_somebody_got_no_reminder_is_told",
    ),
    96: played(
        "Can I extend the deadline after sending?",
        "test_the_deadline_can_be_extended_after_reminders_were_sent",
    ),
    97: played(
        "Yes — open the mandatory task → Edit → change the due date.",
        "test_the_deadline_can_be_extended_after_reminders_were_sent",
    ),
    98: played(
        "The reminders are recalculated for the new deadline.",
        "test_the_deadline_can_be_extended_after_reminders_were_sent",
    ),
    99: played("Can learners cancel a mandatory task themselves?", "test_learners_cannot_cancel_a_task"),
    100: played("No.", "test_learners_cannot_cancel_a_task"),
    101: played(
        "Unlike voluntary enrollments, the assignment comes from you — only you or an administrator can withdraw it.",
        "test_only_the_assigner_or_an_administrator_withdraws",
        "test_learners_cannot_cancel_a_task",
    ),
    102: played(
        "A person doesn't appear in the selection.",
        "test_people_of_the_company_can_be_assigned_as_soon_as_they_have_an_account",
    ),
    103: played(
        "You can assign people from your company.",
        "test_people_of_the_company_can_be_assigned_as_soon_as_they_have_an_account",
    ),
    104: played(
        "If someone doesn't appear in the selection at all, the person probably doesn't have an account yet — then "
        "they must first be invited by an administrator.",
        "test_people_of_the_company_can_be_assigned_as_soon_as_they_have_an_account",
    ),
    105: played(
        "For company-wide assignments, see Steering mandatory tasks org-wide.",
        "test_trainers_steer_their_own_courses_and_administrators_the_whole_company",
    ),
}
