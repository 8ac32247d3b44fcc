"""The guide to Auto Assignment up to the summary of a new rule, sentence by sentence."""

from tests.scenarios.sentences import Sentence, other, played

#: By number, in the order of the guide.
SENTENCES: dict[int, Sentence] = {
    1: other(
        "Auto Assignment saves time and reduces administrative effort by automating learner enrollment based on "
        "predefined conditions.",
        "A benefit.",
    ),
    2: other(
        "This ensures a consistent learning experience, minimizes manual work, and helps admins maintain control "
        "over enrollments while allowing for flexibility in how learners access content.",
        "A benefit.",
    ),
    3: played(
        "Auto Assignment enables users to be enrolled in courses or learning paths based on predefined conditions "
        "built into rules.",
        "test_rules_enroll_in_courses_and_learning_paths",
        "test_every_enrollment_by_a_rule_is_in_the_log",
    ),
    4: played(
        'For example, you can set up a rule to enroll all users with a Ref#1 value of "Developer" into the '
        '"Cybersecurity Fundamentals" Learning Path.',
        "test_developers_are_enrolled_in_cybersecurity_fundamentals",
    ),
    5: other("When configured, here are some ideas for what you can accomplish:", "Introduces what follows."),
    6: played(
        "Enroll learners into a course based on panorama or sublicense placement.",
        "test_placement_in_a_panorama_or_sublicense_enrolls",
    ),
    7: other(
        "(By default, a panorama grants access to content, but enrollment previously had to be done via bulk "
        "import, API, or in individual learner profiles.)",
        "Tells how another product works without rules.",
    ),
    8: played(
        "Use a combination of an Onboarding Survey and Learner Reference Fields to then create a rule based on "
        "Reference Field Values to enroll learners in specific content right when they join your site.",
        "test_who_joins_with_a_reference_value_is_enrolled_at_once",
    ),
    9: played(
        "Get content to show up for learners in the Learner Access widget without learner intervention and reduced "
        "manual lift on the site admin.",
        "test_content_shows_up_in_the_access_widget_without_the_learner_doing_anything",
    ),
    10: other("Here are some things to know about how Auto Assignment works:", "Introduces what follows."),
    11: played(
        "Auto Assignment functions as automatic enrollment.",
        "test_rules_enroll_in_courses_and_learning_paths",
        "test_every_enrollment_by_a_rule_is_in_the_log",
    ),
    12: played(
        "This method adds to existing enrollment options, such as manager enrollment, ecommerce purchases, "
        "self-enrollment in provisioned content, and more.",
        "test_rules_work_beside_enrollment_by_managers",
        "test_rules_work_beside_self_enrollment_and_purchase",
    ),
    13: played(
        "All Auto Assignment enrollments are recorded in the Content Actions Log and appear in the learner access "
        "widget, making it easier to track enrollment activity and the impact of Auto Assignment rules.",
        "test_every_enrollment_by_a_rule_is_in_the_log",
        "test_content_shows_up_in_the_access_widget_without_the_learner_doing_anything",
    ),
    14: played(
        "Auto Assignment works alongside other enrollment methods, giving admins the flexibility to configure "
        "enrollments based on their specific needs.",
        "test_rules_work_beside_enrollment_by_managers",
        "test_rules_work_beside_self_enrollment_and_purchase",
    ),
    15: played(
        "However, without careful setup, it may be unclear why certain learners are enrolled in specific content.",
        "test_rules_work_beside_enrollment_by_managers",
        "test_the_log_shows_why_a_rule_did_not_fire",
    ),
    16: played(
        "Overlapping enrollments can occur—for example, a learner may purchase a course and also be auto-enrolled, "
        "or they might be enrolled twice through different Auto Assignment rules.",
        "test_rules_work_beside_self_enrollment_and_purchase",
        "test_two_rules_enroll_in_the_same_content",
    ),
    17: played(
        "Admins can choose to backfill existing learners when creating or updating a rule and can also enable "
        "dynamic unassignment, ensuring learners are unenrolled when they no longer meet the conditions.",
        "test_existing_learners_are_enrolled_by_default",
        "test_editing_backfills_by_default",
        "test_ref_1_is_developer_changed_to_sales_unenrolls",
    ),
    18: played(
        "Auto Assignment continuously adapts to changes.",
        "test_every_relevant_change_is_answered_with_what_the_rules_did",
        "test_switched_off_rules_rest_and_switched_on_they_catch_up",
    ),
    19: played(
        "Whenever a relevant learner detail is updated, such as a change in a reference field, enrollment status, "
        "or any condition tied to an Auto Assignment rule, the system immediately reevaluates all rules and applies "
        "any necessary enrollments or unenrollments in real time.",
        "test_every_relevant_change_is_answered_with_what_the_rules_did",
    ),
    20: played(
        "Auto Assignment feature is behind a feature flag.",
        "test_the_feature_is_behind_a_flag_that_administrators_switch",
        "test_switched_off_rules_rest_and_switched_on_they_catch_up",
    ),
    21: played(
        "The Auto Assignment feature is accessible behind a feature flag that customers can enable themselves in "
        "the TI Labs area of the platform.",
        "test_the_feature_is_behind_a_flag_that_administrators_switch",
    ),
    22: other("See this article for more details.", "About pages of the user interface."),
    23: played(
        "Auto Assignment cannot be used to add learners into panoramas or sublicenses, but you can create "
        "conditions based on a learner’s panorama or sublicense enrollment.",
        "test_rules_put_nobody_into_panoramas_and_sublicenses",
        "test_placement_in_a_panorama_or_sublicense_enrolls",
    ),
    24: played(
        "On the Auto Assignment page, you'll find a dynamically updated list of Auto Assignment rules, refreshed in "
        "near real time.",
        "test_the_list_of_rules_is_up_to_date",
    ),
    25: played("To ensure optimal performance, a maximum of 50 rules can be created.", "test_50_rules_are_the_most"),
    26: other("The Auto Assignment rule creation flow takes you through five steps:", "Introduces what follows."),
    27: played(
        "Set an internal name to help you identify the Auto Assignment rule.",
        "test_a_rule_has_an_internal_name",
    ),
    28: played(
        "This name is never shown to the learner and is for administrative purposes only.",
        "test_rule_names_are_hidden_from_learners_and_trainers",
    ),
    29: played(
        "You can choose to automatically enroll a learner in course(s) or learning path(s).",
        "test_rules_enroll_in_courses_and_learning_paths",
    ),
    30: played(
        "Enrollment is tracked via course and/or learning path actions, visible in the Content Actions Log report "
        "with a source of auto_enrollment",
        "test_every_enrollment_by_a_rule_is_in_the_log",
    ),
    31: played(
        "Conditions determine when a learner should be automatically enrolled in the content you selected in the "
        "previous step.",
        "test_existing_learners_are_enrolled_by_default",
        "test_every_relevant_change_is_answered_with_what_the_rules_did",
    ),
    32: other("The following conditions are available:", "Introduces what follows."),
    33: played(
        "When a learner reaches a course or learning path status: This condition will be satisfied when a learner "
        "reaches a selected status on a given course/learning path.",
        "test_the_reached_status_of_a_course_or_path_is_a_condition",
    ),
    34: played(
        "If you select multiple courses/learning paths, they are treated as an OR condition.",
        "test_several_contents_of_a_status_condition_mean_or",
    ),
    35: played(
        "For example, “When a learner completes Course A or Course B”.",
        "test_several_contents_of_a_status_condition_mean_or",
    ),
    36: played(
        "When a learner belongs to a sublicense: This condition will be satisfied when a learner is enrolled into a "
        "specific sublicense that you select.",
        "test_belonging_to_a_sublicense_is_a_condition",
    ),
    37: played(
        "When a learner belongs to a client: This condition will be satisfied when a learner is enrolled into a "
        "specific client that you select.",
        "test_belonging_to_a_client_is_a_condition",
    ),
    38: played(
        "When a Learner has a User Ref value: You can use this condition to exclude or include learners based on "
        "the learner ref field value that you specify.",
        "test_reference_values_include_and_exclude",
    ),
    39: played(
        "For example, “User ref#1 is equal to Developer” or “User ref#7 is NOT equal to Sales”.",
        "test_reference_values_include_and_exclude",
    ),
    40: played(
        "Multiple conditions can be added.",
        "test_cyber_security_and_developer_by_all_or_at_least_one",
        "test_a_rule_can_be_reviewed_as_it_was_configured",
    ),
    41: played(
        "You can choose to execute the Auto Assignment rule when all the conditions are satisfied or when at least "
        "one condition is satisfied.",
        "test_cyber_security_and_developer_by_all_or_at_least_one",
    ),
    42: played(
        "For example: Let’s say you’ve created these two conditions.",
        "test_cyber_security_and_developer_by_all_or_at_least_one",
    ),
    43: played(
        "“Understanding Cyber Security” must be “completed”",
        "test_cyber_security_and_developer_by_all_or_at_least_one",
    ),
    44: played("Ref#1 must be “Developer”", "test_cyber_security_and_developer_by_all_or_at_least_one"),
    45: played(
        "If you select “all conditions,” the learner will only be enrolled if they meet both of the conditions - "
        "they must have the Ref#1 value and have completed the “Understanding Cyber Security” course.",
        "test_cyber_security_and_developer_by_all_or_at_least_one",
    ),
    46: played(
        "If you select “at least one condition”, the learner will be enrolled if they meet either of the conditions "
        "- they can either have the Ref#1 value or have completed the “Understanding Cyber Security” course.",
        "test_cyber_security_and_developer_by_all_or_at_least_one",
    ),
    47: played("These values are case sensitive.", "test_reference_values_are_case_sensitive"),
    48: played(
        "Capitalization must match the value in the learner profile (e.g., Test ≠ test)",
        "test_reference_values_are_case_sensitive",
    ),
    49: played(
        "You can then preview the learner(s) that match the conditions you selected.",
        "test_matching_learners_are_previewed",
    ),
    50: other(
        "This is a good way to verify the conditions are configured as you would expect.",
        "Advice to administrators.",
    ),
    51: played(
        "You can click on any of the preview users to view their profile in a new tab (so you won’t lose your spot).",
        "test_matching_learners_are_previewed",
    ),
    52: played(
        "We’ll show up to 100 randomly selected preview users.",
        "test_up_to_100_randomly_selected_learners_are_previewed",
    ),
    53: played(
        "If there are 0 preview users, that means no learners match the condition(s) configured.",
        "test_0_preview_users_mean_that_nobody_matches_and_one_may_go_on",
    ),
    54: played(
        "You can still proceed with 0 preview users if you expect future learners will meet the condition(s).",
        "test_0_preview_users_mean_that_nobody_matches_and_one_may_go_on",
    ),
    55: other("You also have two additional options:", "Introduces what follows."),
    56: played(
        "Automatically un-enroll learners who no longer meet the condition(s): If this setting is enabled, learners "
        "who no longer meet the condition(s) configured will be unenrolled from the content from the Auto "
        "Assignment rule.",
        "test_ref_1_is_developer_changed_to_sales_unenrolls",
        "test_without_unenrollment_who_no_longer_meets_a_rule_stays",
    ),
    57: played("Let’s say you configure a condition.", "test_ref_1_is_developer_changed_to_sales_unenrolls"),
    58: played("“User Ref#1 is equal to Developer.”", "test_ref_1_is_developer_changed_to_sales_unenrolls"),
    59: played(
        "A user initially meets this condition but later, this User Ref value gets changed to “Sales.”",
        "test_ref_1_is_developer_changed_to_sales_unenrolls",
    ),
    60: played("The user will be un-enrolled.", "test_ref_1_is_developer_changed_to_sales_unenrolls"),
    61: played(
        "When a user is un-enrolled from a course or learning path, course/learning path actions are created and "
        "are visible in the Content Actions Log report with a source of auto_unenrollment.",
        "test_ref_1_is_developer_changed_to_sales_unenrolls",
    ),
    62: played(
        "Backfill existing learners who meet the condition(s): If this setting is enabled, when a rule is created "
        "or edited/updated, we’ll automatically enroll any previously existing learner who meets the condition(s) "
        "upon creation of the Auto Assignment rule.",
        "test_existing_learners_are_enrolled_by_default",
        "test_editing_backfills_by_default",
        "test_without_backfill_only_who_newly_meets_the_conditions_is_enrolled",
    ),
    63: played(
        "This setting is enabled by default.",
        "test_existing_learners_are_enrolled_by_default",
        "test_editing_backfills_by_default",
    ),
    64: played(
        "If 100 or more learners need to be enrolled, enrollment will occur in a background job.",
        "test_100_or_more_learners_are_enrolled_in_a_background_job",
    ),
    65: played(
        "Otherwise, enrollment will be in realtime.",
        "test_100_or_more_learners_are_enrolled_in_a_background_job",
    ),
    66: played(
        "This option is not displayed if there are 0 preview users.",
        "test_0_preview_users_mean_that_nobody_matches_and_one_may_go_on",
    ),
    67: played(
        "Finally, you’ll be able to review everything you configured in steps 1-4.",
        "test_a_rule_can_be_reviewed_as_it_was_configured",
    ),
}
