"""The guide to Auto Assignment from the limitations of rules to its end, sentence by sentence."""

from tests.scenarios.sentences import Sentence, other, played

#: By number, in the order of the guide.
SENTENCES: dict[int, Sentence] = {
    68: other(
        "We’ve implemented a few specific limitations on this functionality in order to support the requirement for "
        "dynamic enrollment that doesn’t require admin bandwidth.",
        "Introduces the limitations that follow.",
    ),
    69: played(
        "Auto Assignment does not respect seat limits or waitlisting.",
        "test_rules_do_not_respect_seats_and_waitlists",
    ),
    70: played(
        "Enrollment happens in near real-time.",
        "test_every_relevant_change_is_answered_with_what_the_rules_did",
    ),
    71: other(
        "You may have to refresh the page to see the new Auto Assignment depending on the condition(s) set.",
        "About pages of the user interface.",
    ),
    72: played(
        "Auto Assignment rules cannot trigger other Auto Assignment rules, as doing so could create an infinite loop.",
        "test_rules_whose_conditions_are_each_others_targets_fire_once",
        "test_an_enrollment_by_a_rule_triggers_no_rule_later_either",
        "test_three_rules_in_a_circle_do_not_run_in_circles",
    ),
    73: played(
        "For Example: Let’s say you’ve created these two conditions.",
        "test_rules_whose_conditions_are_each_others_targets_fire_once",
    ),
    74: played(
        "If a learner has a “not-started” status in Course B, auto assign “Course A”",
        "test_rules_whose_conditions_are_each_others_targets_fire_once",
    ),
    75: played(
        "If a learner has a “not-started” status in Course A, auto assign “Course B”",
        "test_rules_whose_conditions_are_each_others_targets_fire_once",
    ),
    76: played(
        "In this example, only one Auto Assignment will trigger (depending on whether the user reached a "
        "“not-started” status in Course A or Course B first).",
        "test_rules_whose_conditions_are_each_others_targets_fire_once",
        "test_an_enrollment_by_a_rule_triggers_no_rule_later_either",
    ),
    77: played(
        "You can use the Course/Learning Path Actions report to detect scenarios like this.",
        "test_the_log_shows_why_a_rule_did_not_fire",
    ),
    78: played(
        "For example, if you see a user with “not-started” in Course B, but they’re not assigned course A, you can "
        "visit the Course Actions report to see how they received the “not-started” course in Course B.",
        "test_the_log_shows_why_a_rule_did_not_fire",
    ),
    79: played(
        "If the ‘source’ of the Course Action is “auto_enrollment”, that means we intentionally did not trigger "
        "Auto Assignment One.",
        "test_the_log_shows_why_a_rule_did_not_fire",
    ),
    80: other(
        "Auto Assignment rules are intentionally flexible to meet the requirements of many different programs but "
        "with this flexibility, it’s possible to create conflicting or overlapping rules.",
        "Advice to administrators; rules that contradict each other are warned of in previews.",
    ),
    81: other("Be sure to consider the way that your Auto Assignment rules interact.", "Advice to administrators."),
    82: other("A few scenarios to keep in mind:", "Introduces what follows."),
    83: played(
        "It’s possible that multiple rules will enroll learner in the same content item.",
        "test_two_rules_enroll_in_the_same_content",
    ),
    84: other(
        "This doesn’t necessarily create any issues and it might be intentional but you should be aware of the "
        "expected behavior in this case.",
        "Advice to administrators.",
    ),
    85: played(
        "There will be two auto_enrollment content actions but the learner won’t see duplicate content items in "
        "their learner access widget.",
        "test_two_rules_enroll_in_the_same_content",
    ),
    86: played(
        "The rules may have conflicting states of enrollment / unenrollment but we’ll always process unenrollments "
        "first, followed by enrollments.",
        "test_unenrollments_come_before_enrollments",
        "test_what_one_rule_takes_another_one_gives_back",
    ),
    87: other("For Example:", "Introduces what follows."),
    88: played(
        "Rule #1 enrolls learners into course A under the condition: “Understanding Cyber Security” must be "
        "“completed”",
        "test_what_one_rule_takes_another_one_gives_back",
    ),
    89: played(
        "Rule #2 enrolls learners in the same content item (course A) under the condition: Ref#1 must be “Developer.”",
        "test_what_one_rule_takes_another_one_gives_back",
    ),
    90: played(
        "A learner initially meets both of these conditions and is enrolled in the content item but later, Ref#1 is "
        "changed.",
        "test_what_one_rule_takes_another_one_gives_back",
    ),
    91: played(
        "If auto un-enrollment is enabled for Rule #2, then the learner will be unenrolled from the content item.",
        "test_what_one_rule_takes_another_one_gives_back",
    ),
    92: played(
        "However, if they still meet the condition for Rule #1, then they’ll subsequently be re-enrolled thanks to "
        "Auto Assignment's dynamic enrollment capabilities.",
        "test_what_one_rule_takes_another_one_gives_back",
    ),
    93: played(
        "If no users have been automatically enrolled, all properties of the Auto Assignment can be edited.",
        "test_everything_can_be_edited_until_somebody_was_enrolled",
    ),
    94: other(
        "If at least one user has been automatically enrolled, there are a few limitations on editing Auto "
        "Assignment rules:",
        "Introduces what follows.",
    ),
    95: played("The name can be edited at anytime.", "test_the_name_of_a_used_rule_can_be_edited"),
    96: played(
        "If the Auto Assignment enrolls learners into course(s) or learning path(s), you can add new items but "
        "cannot remove.",
        "test_contents_can_be_added_to_a_used_rule_with_or_without_backfill",
        "test_contents_cannot_be_removed_nor_conditions_modified_once_used",
    ),
    97: played(
        "When you save the changes, you can optionally elect to “Backfill existing learners who meet the "
        "condition(s).”",
        "test_contents_can_be_added_to_a_used_rule_with_or_without_backfill",
    ),
    98: played(
        "If you enable this setting, all users who previously met the conditions of the rule are enrolled in the "
        "new content item.",
        "test_contents_can_be_added_to_a_used_rule_with_or_without_backfill",
    ),
    99: played(
        "If this setting is not enabled, only users who newly meet the conditions in the future will be enrolled in "
        "the new content item.",
        "test_contents_can_be_added_to_a_used_rule_with_or_without_backfill",
    ),
    100: played("You cannot modify conditions.", "test_contents_cannot_be_removed_nor_conditions_modified_once_used"),
    101: played(
        "Overall, our recommended best practice is to duplicate an Auto Assignment instead of making extensive edits.",
        "test_a_rule_is_duplicated_with_changes",
    ),
    102: other(
        "Editing Auto Assignment rules can result in confusion about why learners are/are not auto enrolled.",
        "Advice to administrators.",
    ),
    103: played("Auto Assignment rules can be deleted at any time.", "test_rules_can_be_deleted_at_any_time"),
    104: other(
        "When you delete an Auto Assignment, you can optionally revoke access as well:",
        "Introduces what follows.",
    ),
    105: played(
        "When revoking access, we will only unenroll learners who were enrolled via Auto Assignment.",
        "test_revoking_unenrolls_only_who_was_enrolled_by_the_rule",
    ),
    106: played(
        "If 100 or more learners need to be un-enrolled, un-enrollment will occur in a background job.",
        "test_100_or_more_learners_are_unenrolled_in_a_background_job",
    ),
    107: played(
        "Otherwise, un-enrollment will be in realtime.",
        "test_100_or_more_learners_are_unenrolled_in_a_background_job",
    ),
    108: played(
        "If you choose not to revoke access, learners will not be unenrolled from any resource(s) they received "
        "while the Auto Assignment was active.",
        "test_deleting_without_revoking_unenrolls_nobody",
    ),
    109: played(
        "Does auto assignment respect access expiration settings on a course?",
        "test_rules_do_not_respect_access_days",
    ),
    110: played("No.", "test_rules_do_not_respect_access_days"),
    111: played(
        "Auto assignment is effectively a management enrollment action similar to when an admin enrolls a learner "
        "in a content item from within the learner profile.",
        "test_rules_do_not_respect_access_days",
        "test_who_a_manager_took_out_stays_out_until_they_newly_meet_the_rule",
    ),
    112: played(
        "Course-level access expiration settings are applied when purchasing directly or enrolling via free access "
        "with registration but are NOT applied when a manager directly enrolls a learner (via the learner profile, "
        "auto assignment, etc.)",
        "test_rules_do_not_respect_access_days",
    ),
    113: played("Why is there a limit of 50 auto assignment rules?", "test_50_rules_are_the_most"),
    114: played(
        "Auto assignment rules are updated in real time whenever any relevant learner details or enrollments are "
        "changed.",
        "test_every_relevant_change_is_answered_with_what_the_rules_did",
    ),
    115: other(
        "Having too many rules would make real-time updates impractical, as the system wouldn't be able to check "
        "each rule and adjust enrollments efficiently.",
        "A benefit.",
    ),
    116: played(
        "What happens if a learner meets the auto assignment rule conditions for a content item that they’re "
        "already enrolled in?",
        "test_who_is_enrolled_already_is_enrolled_again",
    ),
    117: played(
        "If a learner is already enrolled in a content item (by any method of enrollment like purchase, manager "
        "enrollment, etc.) and then later meets the conditions for an auto assignment rule, the learner will be "
        "re-enrolled in the content item.",
        "test_who_is_enrolled_already_is_enrolled_again",
    ),
    118: played(
        "A new enrollment action will appear on the Content Actions Log report with a source of auto_enrollment.",
        "test_who_is_enrolled_already_is_enrolled_again",
    ),
    119: played(
        "If the auto assignment rule is configured to un-enroll learners who no longer meet the conditions, the "
        "learner will be unenrolled if they no longer meet the conditions configured in the rule.",
        "test_with_unenrollment_who_was_enrolled_otherwise_too_is_unenrolled",
        "test_who_bought_a_course_is_unenrolled_by_a_rule_with_unenrollment",
    ),
}
