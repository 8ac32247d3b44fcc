"""Operations about notifications, preferences and email templates."""

from tests.support.api import ERRORS

TEMPLATE = "id name subject body createdBy { name } canUpdate version"
CREATE = f"""
mutation ($input: CreateEmailTemplateInput!) {{
  createEmailTemplate(input: $input) {{ emailTemplate {{ {TEMPLATE} }} {ERRORS} }} }}
"""
UPDATE = f"""
mutation ($input: UpdateEmailTemplateInput!) {{
  updateEmailTemplate(input: $input) {{
    emailTemplate {{ {TEMPLATE} }}
    errors {{ code path message ... on VersionConflictError {{ currentVersion }} }} }} }}
"""
DELETE = f"""
mutation ($input: DeleteEmailTemplateInput!) {{
  deleteEmailTemplate(input: $input) {{ deletedEmailTemplateId {ERRORS} }} }}
"""
TEMPLATES = f"""
query ($first: Int! = 25, $after: String, $search: String) {{
  emailTemplates(first: $first, after: $after, search: $search) {{
    totalCount nodes {{ {TEMPLATE} }} pageInfo {{ hasNextPage endCursor }} }} }}
"""
PREVIEW = "query ($input: EmailPreviewInput!) { emailPreview(input: $input) { subject html text } }"
NODE = f"""
query ($id: ID!) {{
  node(id: $id) {{ id ... on EmailTemplate {{ {TEMPLATE} }} ... on Notification {{ title }} }} }}
"""

NOTIFICATIONS = """
query ($first: Int! = 25, $after: String, $isRead: Boolean) { viewer {
  notifications(first: $first, after: $after, isRead: $isRead) {
    totalCount changeCursor pageInfo { hasNextPage endCursor }
    nodes { id category kind title isRead createdAt content { title } } } } }
"""
MARK = f"""
mutation ($input: MarkNotificationsReadInput!) {{
  markNotificationsRead(input: $input) {{ notifications {{ title isRead }} {ERRORS} }} }}
"""
PREFERENCES = "{ viewer { notificationPreferences { category isEmailEnabled } } }"
PREFER = f"""
mutation ($input: SetNotificationPreferenceInput!) {{
  setNotificationPreference(input: $input) {{ preference {{ category isEmailEnabled }} {ERRORS} }} }}
"""
AUDIT = """
query ($filter: AuditEntryFilterInput) { auditEntries(first: 100, filter: $filter) {
  nodes { operation objectName object { id } changes { field before after } actor { name } } } }
"""
