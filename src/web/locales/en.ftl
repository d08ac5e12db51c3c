# Glossary: docs/adr/0018. Sentence case, verbs first.

product = Integration Center
skip = Skip to content
crumbs = Breadcrumb
menu-open = Open menu
help = Help
optional = optional
save = Save
cancel = Cancel
show = Show
settings = Settings
technical = Technical detail

nav-main = Main menu
nav-side = Side menu
nav-overview = Overview
nav-integrations = Integrations
nav-automations = Automations
nav-templates = Message templates
nav-deliveries = Deliveries
nav-audit = Audit log
nav-developer = Developer
nav-keys = API keys
nav-webhooks = Webhooks
nav-events = Event log
nav-settings = Settings
nav-return = Back to the CRM
nav-company = Company account
nav-troubled =
    { $count ->
        [one] 1 connection needs attention
       *[other] { $count } connections need attention
    }

role-admin = Company admin
role-member = Member
role-developer = Developer
sign-out = Sign out
signed-out-title = You're signed out
signed-out-text = To come back, use the link in your CRM.
theme-dark = Switch to dark
theme-light = Switch to light
theme-system = Follow the system

error-prefix = Error
error-home = Go to overview
error-session-title = Your session is over
error-session-text = For your safety, sessions end after 30 minutes without use. Come in again from your CRM.
error-link-text = This link works once and for one minute. Come in again from your CRM.
error-missing-title = Page not found
error-missing-text = What you're looking for may have been deleted or never existed.
error-forbidden-title = You don't have the right to this part
error-internal-text = Something unexpected went wrong and was recorded. Try again in a moment; if it stays, tell your operator.
error-busy-text = The server can't answer right now. Reload the page in a few seconds.

state-active = Connected
state-inactive = Off
state-error = Error
state-needs-reauth = Needs re-auth

channel-email = E-mail
channel-sms = SMS
channel-whatsapp = WhatsApp
channel-chat = Chat
channel-webhook = Webhook
category-email = E-mail
category-sms = SMS
category-whatsapp = WhatsApp
category-google = Google services
category-video = Video meetings
category-chat = Chat and notices
category-webhook = Webhook
categories = Channels

done-connected = The account is connected and tested.
done-saved = The changes are tested and saved.
done-disabled = The connection is off. Nothing is sent through this account.
done-enabled = The connection is tested and on.
done-disconnected = Disconnected; what was stored is deleted.
done-defaults = The default account is saved.
done-registered = The address is registered.
done-withdrawn = The address is taken back.

integrations-sub = Connect your accounts, so that your CRM can send e-mails and messages and pass records on to other services.
attention-label = Connections that need attention
attention-title =
    { $count ->
        [one] 1 connection needs your attention
       *[other] { $count } connections need your attention
    }
attention-text = Until it's fixed, deliveries go through the fallback account, or wait where there is none.
tab-troubled = has an error
accounts = Your accounts
available = Services you can connect
account = Account
last-ok = Last success
fix = Fix
test = Test
test-ok = The connection works ({ $millis } ms).
connect = Connect
connect-again = Connect again
consent-sub = The consent page opens in a new window; your password is not typed here.
consent-text = Choose your account in { $idp }’s window and allow access. This page shows by itself when the account is connected.
consent-open = Continue with { $idp }
consent-waiting = Waiting for your consent…
consent-stuck = No window opened, or you closed it?
consent-stuck-text = If no window opened, copy this address and open it in your browser; it works once, within ten minutes. If you closed the window before you consented, start again: nothing was stored.
consent-again = Start again
consent-more-title = Large attachments
consent-more-text = This account may only send; for e-mails over 3 MB { $provider } also wants the permission to make drafts. The connection’s name, settings and automations stay as they are.
consent-gone = The connection is gone
back-to-accounts = Back to the accounts
next-check = Next check
consent-more = Allow large attachments
connect-named = Connect { $name }
offer-fields = Connects with account details
offer-consent = Connects by signing in and giving permission
offer-preset = By { $provider }, with ready-made settings
offer-closed = Not set up by the operator
cause-unknown = The service does not accept the connection.
default = Default
fallback = Fallback
default-none = None
default-title = Default account: { $channel }
default-text = Automations that choose no account use this one. If it can't send, the fallback takes over.
trademarks = Product names and logos are their owners' trademarks.

connect-title = Connect { $provider }
connect-sub = Saving tests the details with the service. Nothing is sent while testing.
connect-form = Connection details
connect-by-consent = { $provider } needs no form: you sign in on its own page, give permission and come back here. We never see your password.
connect-closed = { $provider } cannot be connected at the moment: the operator has not set it up. Tell them if you want to use it.
connect-invalid =
    { $count ->
        [one] Correct 1 field
       *[other] Correct { $count } fields
    }
connect-refused = { $provider } could not be connected
connect-refused-effect = Nothing was sent and nothing saved. Correct the details and try again.
save-and-test = Save and test
checking = Checking…
field-label = Connection name
field-label-help = Tells several { $provider } accounts apart.
field-kept = Saved; leave it empty to keep it.
field-kept-placeholder = Type a new one to replace it
field-reveal = Show what I typed
safe-title = Your details are safe
safe-text = Passwords and keys are stored encrypted and never shown again. They can only be replaced.
free-title = Testing is free
free-text = A test only asks whether the account works. Nobody gets a message.
egress-title = This server's address
egress-text = If the service limits access by IP, allow these addresses:

trouble-effect = Until it's fixed, nothing is sent through this account. What waits goes out by itself once it works.
since = Last error:
see-deliveries = See deliveries
facts = Status
connected-at = Connected
last-check = Last check
last-error = Last error
id = Id
switch-off = Switch off
switch-on = Switch on
hook-title = Callback address
hook-text = { $provider } sends delivery reports and incoming messages to this address. Enter it where the service’s panel asks for one.
hook-register = Register the address…
hook-page = What { $provider } calls
hook-registered = This address is registered:
hook-unconfirmed = The address was sent, and the service has not confirmed it.
hook-not-registered = This address was not registered from here. Reports are asked for at intervals all the same.
hook-before-reports = Report address so far
hook-before-inbound = Address for incoming messages so far
hook-confirm = Register this address
hook-restore = Back to the previous address
hook-remove = Remove the registration
admins-only = Only administrators can change this.
disconnect = Disconnect
disconnect-title = Disconnect “{ $name }”?
disconnect-text = What is stored will be deleted. To use it again, the { $provider } account has to be connected anew.
disconnect-fallback = In the channel { $channel }, the fallback becomes the default.
disconnect-nothing = The channel { $channel } is left without a default; its deliveries wait until another account is connected.
disconnect-automation = names this account; its deliveries fail until another one is chosen.

deliveries-sub = Follow every message and every attempt here.
deliveries-none = No deliveries yet
deliveries-none-text = They appear here when an automation runs or your CRM sends a message.
deliveries-begin = Go to automations
deliveries-no-match = No delivery matches this filter
deliveries-no-match-text = Change the filter. Recipients are found by their whole address or number.
delivery-scheduled = Scheduled
delivery-queued = Queued
delivery-again = Will retry
delivery-sending = Sending
delivery-sent = Sent
delivery-delivered = Delivered
delivery-failed = Failed
delivery-unknown = Outcome unknown
delivery-cancelled = Cancelled
delivery-skipped = Not sent
no-recipient = No recipient
operation-send-email = Send e-mail
operation-send-sms = Send SMS
operation-send-whatsapp = Send WhatsApp message
operation-post-chat = Post to chat
operation-post-webhook = Call webhook
operation-append-rows = Append rows
operation-upload-file = Upload file
operation-create-meeting = Create meeting
operation-upsert-contact = Save contact
operation-notify = Notice to the CRM
live = Live
live-pause = Pause
live-resume = Follow live
news =
    { $count ->
        [one] Show 1 new delivery
       *[other] Show { $count } new deliveries
    }
news-many = Show new deliveries
csv = Download CSV
csv-time = Time
csv-what = What
csv-state = State
csv-reason = Reason
csv-attempts = Attempts
filter = Filter
filter-all = All
filter-state = Filter by state
filter-search = Search deliveries
filter-search-hint = E-mail, phone or record (such as quote/114)
filter-clear = Clear filter
channel = Channel
channel-all = All channels
filter-mode = Mode
filter-mode-all = Live and sandbox
filter-mode-test = Sandbox mode only
period = Period
period-all = All time
period-24h = Last 24 hours
period-7d = Last 7 days
period-30d = Last 30 days
pager = Pages
pager-first = Newest
pager-older = Older
reload = Reload

retry = Retry
retry-all = Retry all
send-now = Send now
cancel-delivery = Cancel delivery
done-retried = The delivery is queued again.
done-cancelled = The delivery is cancelled and won't be sent.
done-settled = The outcome is saved.
done-rerouted = The delivery is queued for the way you chose.
reroute-title = Send another way
reroute-text = The same message goes out through the account you choose.
reroute-unknown = The service may have taken the first one; it may reach the recipient twice.
reroute-no-account = There is no other working account that this message could go through. Connect another account or channel to send it from here.
reroute-no-text = This delivery has no words that another channel could carry.
reroute-no-address = This person's address on your other channels is not known; the CRM sent only the one that was used.
reroute-choose = Through which account?
reroute-other = { $channel }: { $to }, account: { $account }
bulk-title = Retry the deliveries of this filter? State: { $state }
bulk-text = All deliveries that match the filter are queued again. Those whose content is gone or that have no account left can't be.
task-title = Bulk retry
task-sub = You can close this page, the work goes on.
task-running = Running…
task-done = Done
task-stopped = Stopped
task-counts =
    { $done ->
        [one] 1 delivery queued, { $failed } not possible.
       *[other] { $done } deliveries queued, { $failed } not possible.
    }

timeline = What happened?
message = Message
message-hidden = Only those with the right to it can see the message.
message-frame = What the e-mail looks like
message-frame-text = For safety, remote pictures and links do not work here.
message-plain = Its plain text
message-later = The message is made at the moment it's sent.
message-gone = Nothing to show: the message could not be prepared, or is no longer kept.
facts-delivery = Details
recipient = Recipient
automation = Automation
record = CRM record
step-event = Event received
step-message = The CRM asked for a message
step-message-text = A direct request to send
step-condition = Condition holds
step-scheduled = Time is set
step-receipt = The service reports: { $state }
step-next = Next attempt: { $time }
attempt-sent = Attempt { $number }: the service took it
attempt-failed = Attempt { $number }: refused
attempt-unknown = Attempt { $number }: no answer
attempt-limited = Attempt { $number }: the service asked us to wait
attempt-again = Attempt { $number }: it didn't work, will retry
attempt-settled = A person settled the outcome
cause-vendor = The service did not take the delivery
advice-recipient = Trying again changes nothing. Correct the recipient's record in the CRM; later deliveries go to the right address.
advice-automation = Correct the field in the automation, or let the CRM send this information.
advice-failed = No further attempt is planned. If the cause is gone, you can retry.
advice-unknown = It isn't known whether the service took the message. So that nobody is bothered twice, it isn't repeated by itself. Look in the service's panel and mark the outcome, or retry.
advice-again = It will be retried by itself: { $time }. There's nothing you need to do.
advice-waits = It goes out by itself once it can.
advice-cancelled = You can send it again if you like.
advice-skipped = It was deliberately not sent. You can send it anyway.
settle-delivered = Mark as delivered
settle-failed = Mark as failed

automations-sub = What happens by itself when an event comes in.
automations-none = No automations yet
automations-none-text = Begin with one of the ready-made ones below.
automation-on = On
automation-off = Off
automation-draft = Draft
automation-needs-account = Waits for an account
automation-runs = Last runs
automation-runs-of = Last runs: { $name }
automation-new = Automation from scratch
automation-begin = Create
automation-name = Name of the automation
automation-pause = Pause
automation-enable = Enable
automation-delete = Delete automation
automation-delete-title = Delete “{ $name }”?
automation-delete-text = It no longer runs for events to come. What it has scheduled is not sent.
presets = Ready-made automations
preset-add = Add
preset-add-named = Add: { $name }
preset-taken = Already added
done-automation-deleted = The automation is deleted.
done-automation-switched = The automation was switched.
done-draft = The draft is saved.
done-published = The changes are published.
done-discarded = The draft is deleted; what was published stays.
done-test-sent = The test message is on its way to you.
trigger = Trigger
trigger-event = On which event?
condition = Condition
condition-none = On every event
condition-some = Go on if the condition holds
condition-expression = Condition expression
condition-help = If empty, it runs on every event. Example: data.deal.amount > 10000
sentence-before-event = When
sentence-after-event = comes in
sentence-condition = if the condition holds
delay = Delay
timing-now = At once
timing-delay = Some time after the event
timing-by-event = By a time in the event
timing-relative = { $field }: { $span }
timing-field = Time field of the event
timing-side = Before or after
timing-before = before
timing-after = after
timing-effects = Rescheduling and cancelling
timing-cancel-on = Events that cancel
timing-reschedule-on = Events that move the time
field-meeting-starts = start of the meeting
field-invoice-due = due date of the invoice
span-at = at that moment
span-minutes-after =
    { $count ->
        [one] 1 minute after
       *[other] { $count } minutes after
    }
span-hours-after =
    { $count ->
        [one] 1 hour after
       *[other] { $count } hours after
    }
span-days-after =
    { $count ->
        [one] 1 day after
       *[other] { $count } days after
    }
span-minutes-before =
    { $count ->
        [one] 1 minute before
       *[other] { $count } minutes before
    }
span-hours-before =
    { $count ->
        [one] 1 hour before
       *[other] { $count } hours before
    }
span-days-before =
    { $count ->
        [one] 1 day before
       *[other] { $count } days before
    }
span-count = Length
span-unit = Unit
unit-minutes = minutes
unit-hours = hours
unit-days = days
action-number = Action { $number }
action-add = Add action
move-up = Move up: { $name }
move-down = Move down: { $name }
remove-step = Remove: { $name }
account-default = Default account
subject = Subject
text = Text
reply-to = Replies go to
template = Template
template-none = No template
rows-spreadsheet = Spreadsheet
rows-spreadsheet-help = Type a name: it is created under this name on first use, and the same one is written to from then on. The link of a spreadsheet created here works, too.
rows-sheet = Sheet
rows-columns = Columns
rows-column = Column heading
rows-value = Cell value
rows-number = Number
rows-column-n = Heading of column { $number }
rows-value-n = Value of column { $number }
rows-number-n = Write column { $number } as a number
rows-help = The heading row is written by itself. Values stay as they are; text that begins with “=” is no formula. Leave lines that you do not need empty.
rows-any-account = The connected Google account
wa-template = WhatsApp template
wa-template-help = With an approved template you can write at any time. Templates are made and approved in the service's own panel.
wa-text-help = This text goes out if the recipient has written to you within the last 24 hours, the template if not.
wa-or-text = If the recipient has written within the last 24 hours:
wa-place = Place in the template: { $place }
wa-latitude = Latitude, such as 41.0082
wa-longitude = Longitude, such as 28.9784
wa-location-name = Name of the place
wa-location-address = Address of the place
wa-image = Address of the picture
wa-video = Address of the video
wa-document = Address of the document
wa-approved = Approved
wa-pending = Waits for approval
wa-rejected = Rejected
wa-paused = Paused
wa-disabled = Disabled
wa-no-list = The service did not give its list of templates. The chosen one stays as it is.
wa-unknown = The service does not have this template. Choose one from the list.
wa-unusable = No message can be sent with this template. Its status: { $status }.
wa-templates = WhatsApp templates
wa-templates-text = Templates made and approved in the service's own panel. Only approved ones can be sent.
wa-none = This account has no templates
wa-none-text = Make a template in the service's own panel and submit it for approval.
rest-chain = If it does not arrive, { $after }:
rest-file = Attachment
more-settings = More settings
message-kind = Kind of message
kind-informational = Informational
kind-commercial = Commercial (needs consent)
fields-of-event = Fields of the event
draft-keep = Save draft
draft-discard = Delete draft
publish = Publish changes
publish-blocked =
    { $count ->
        [one] Solve 1 problem to publish
       *[other] Solve { $count } problems to publish
    }
warnings =
    { $count ->
        [one] Mind 1 point
       *[other] Mind { $count } points
    }
test-to-me = Send a test to me
preview = Preview
preview-event = With which event?
preview-sample = Sample event
preview-what = What happens here?
preview-matches = The condition holds.
preview-no-match = The condition does not hold, nothing is sent.
preview-now = Sent at once.
preview-at = Sent at:
preview-too-late = Not sent, because its time has passed.
preview-from = From account:
preview-no-account = No account is connected for this channel
preview-not-yet =
    { $count ->
        [one] Solve 1 problem to see a preview
       *[other] Solve { $count } problems to see a preview
    }
preview-sms-parts =
    { $parts ->
        [one] { $chars } characters, 1 SMS
       *[other] { $chars } characters, { $parts } SMS
    }

overview-sub = The last { $days } days, today included.
rate = Delivery rate
rate-text = Of those that are over
latency = Median latency
latency-text = From queueing to the service's yes
needs-you = Connections that need you
all-well = All is well
by-channel = Deliveries by channel
chart-summary = { $total } deliveries in the last { $days } days, by channel and day.
as-table = Show as table
health = Health of the accounts
health-none = No account is connected yet.

welcome-title = Getting started
welcome-text = It takes a few minutes, and you can change everything later.
welcome-go = Begin
welcome-connect = Connect an account
welcome-connect-text = Your e-mail account is the easiest to begin with.
welcome-preset = Add a ready-made automation
welcome-preset-text = Such as a welcome e-mail for new deals.
welcome-test = Try it on yourself, then enable it
welcome-test-text = Open the automation and press “Send a test to me”.
welcome-live = Go live
welcome-live-text = As your CRM sends events, deliveries appear here.
step-done = done

templates-sub = Texts that several automations share.
templates-none = No templates yet
templates-none-text = Make one when several automations use the same text.
template-new = New template
template-name = Name of the template
template-sub = Fields are written in double braces.
template-help = Such fields: data.customer.name, company.name
template-delete = Delete template
done-template = The template is saved.
done-template-deleted = The template is deleted.

audit-sub = Who changed what, and when, in these pages or with an API key. Entries can't be changed.
audit-none = No entries
audit-none-text = Changes made in these pages appear here.
audit-who = Who
audit-what = What
audit-where = From where
deed-connect = Connected an account
deed-change-connection = Changed a connection
deed-test-connection = Tested a connection
deed-switch-connection = Switched a connection on or off
deed-disconnect = Disconnected an account
deed-register-hook = Registered the callback address
deed-withdraw-hook = Took the callback address back
deed-default = Chose the default account
deed-add-automation = Added an automation
deed-change-automation = Worked on an automation
deed-switch-automation = Switched an automation on or off
deed-delete-automation = Deleted an automation
deed-discard-draft = Deleted a draft
deed-retry = Retried deliveries
deed-cancel = Cancelled a delivery
deed-settle = Settled a delivery's outcome
deed-reroute = Sent a delivery another way
deed-save-template = Saved a template
deed-delete-template = Deleted a template
deed-make-key = Made an API key
deed-revoke-key = Revoked an API key
deed-make-webhook = Added a webhook
deed-change-webhook = Changed a webhook
deed-limits = Changed quiet hours and limits
deed-stop-channel = Stopped a channel
deed-resume-channel = Let a channel go on
deed-settings = Changed the settings

settings-sub = They hold for your whole company.
done-settings = The settings are saved.
company-name = Company name
company-name-help = It comes from your CRM.
company-language = Language of messages
company-language-help = Dates, amounts and ready-made automations are written in it.
timezone = Time zone
timezone-help = Sending times and dates follow it.
notice-email = Notice address
notice-email-help = Who hears when a connection breaks.

limits-title = Quiet hours and daily limits
quiet-title = Quiet hours
quiet-text = Commercial messages do not go out in these hours; they leave by themselves once quiet hours are over. Informational ones, such as meeting reminders, are not affected. Leave empty for no quiet hours.
quiet-from = From
quiet-until = Until
daily-title = Most messages in one day
daily-text = Once a limit is reached, nothing more leaves by that channel on that day. It keeps an automation that was set up wrong from writing to thousands of people.
daily-none = No limit
daily-used = Counted today: { $count }
stop-title = Emergency stop
stop-text = When you see wrong messages leave by a channel, stop that channel altogether.
stop-channel = Stop
stop-resume = Let it go on
stop-named = { $act }: { $channel }
stop-running = Sending
stop-stopped = Stopped
stop-ask = Stop the channel { $channel }?
stop-effect-now = From the moment you confirm, nothing leaves by this channel; what is queued is not deleted, it waits.
stop-effect-asked = New messages that the CRM wants to send by this channel at once are refused.
stop-effect-sent = What the service has already taken cannot be called back.
resume-ask = Let the channel { $channel } go on?
resume-effect = What waits starts to go out at once. Cancel what should not go out first.
resume-look = See what waits
done-stopped = The channel is stopped. Nothing leaves by it.
done-resumed = The channel goes on; what waited is being sent.
stopped-title = Stopped channel: { $channels }
stopped-text = The emergency stop is on: nothing leaves by this channel, what is queued waits.

copy = Copy
shown-once = Copy it now, it won't be shown again.
example = Example
keys-sub = For your CRM to send events and messages on behalf of this company.
keys-none = No keys yet
keys-none-text = Make the first one and save it in your CRM.
key-name = Name of the key
key-make = Make key
key-new = New API key
key-made = made:
key-used = Last used:
key-unused = Never used
key-revoke = Revoke
key-revoke-named = Revoke key: { $name }
done-revoked = The key is revoked and no longer accepted.
webhooks-sub = Where your CRM hears of deliveries and connections.
webhooks-none = No endpoints yet
webhooks-none-text = Every endpoint gets signed notices.
webhook-new = New endpoint
webhook-url = Address (https)
webhook-types = Kinds of notices
webhook-make = Add endpoint
webhook-secret = Signing secret
webhook-rotate = Rotate secret
webhook-delete = Delete endpoint
done-webhook-test = A test notice was sent.
done-webhook-deleted = The endpoint is deleted.
done-webhook-enabled = The endpoint is on again.
events-sub = Events from your CRM and the deliveries they led to.
events-none = No events yet
events-none-text = They appear here when your CRM sends one.
event-deliveries =
    { $count ->
        [one] 1 delivery
       *[other] { $count } deliveries
    }
event-nothing = No automation ran for this event.
event-body = Content of the event
event-type = Type
event-source = Source
event-try = Preview with this event
event-try-text = Nothing is sent

# Test mode
test-mode = Sandbox mode
test-mode-on = Sandbox mode is on.
test-mode-text = Nothing reaches a real recipient, deliveries are kept here.
test-mode-leave = Go live
test-mode-is-on = On
test-mode-is-off = Off
test-mode-help = While it is on, no delivery of this company reaches a service. Messages are prepared, conditions and consent are checked, and the result stays on the Deliveries page. Switching it off affects only what is sent afterwards: what was kept is not sent.
test-mode-switch-on = Turn sandbox mode on
test-mode-switch-off = Go live
delivery-sandbox = Sandbox
attempt-sandbox = Kept in the sandbox, not sent to the service
deed-test-mode = Switched sandbox mode
welcome-live-test = Once you are done trying, turn sandbox mode off: from then on messages reach real recipients.

# The operator
console = Console
console-companies = Companies
console-companies-sub = The companies on this server. Open one to manage its integrations.
console-company-new = Name of the new company
console-company-create = Add company
console-search = Search by name or CRM id
console-none = No company found
console-none-text = Change what you search for, or add a company.
console-more = More
console-active = Active
console-erasing = Being erased
console-company = Company details
console-external = CRM id
console-created = Created
console-times = Times in the console are in UTC.
console-open = Open its pages
console-open-text = The company's pages open with an administrator's rights. That you opened them, and every change you make, is written to the company's audit log.
console-open-go = Open as administrator
console-sign-in = Sign in to the console
console-sign-in-go = Sign in
console-name = Your name
console-name-help = Used to sign in, and in audit logs.
console-password = Password
console-password-help = At least 12 characters. A long one of several words is best.
console-password-again = Password, again
console-lost = If you have no password, or have lost it, get a new link on the server with:
console-wrong = You could not be signed in
console-wrong-text = The name or the password is not right.
console-blocked = Too many attempts
console-blocked-text = For safety, signing in is paused. Try again in { $minutes } minutes.
console-set-up = Set up the operator
console-set-up-text = This link works once. When you save, you become the operator of this server; whoever was it before is signed out.
console-set-up-save = Save and sign in
console-audit-sub = Sign-ins and changes that concern the server itself. What is done in companies is in their own logs.
nav-return-console = Back to the console
role-operator = Operator
role-support = Support, only looks
role-company-key = The company's API key
role-platform-key = Platform key
support-mode = Support mode
support-text = The company's pages are only shown, with recipients hidden. Your reason is written to the company's audit log.
support-reason = Reason
support-reason-help = Such as the number of a support case. The company's administrators see it.
support-go = Open in support mode
support-on = Support mode.
support-on-text = You are only looking, recipients are hidden. A session that is not used ends after 30 minutes.
support-leave = Leave support mode
deed-make-company = Created the company
deed-rename-company = Renamed the company
deed-operator-open = Opened the pages as administrator
deed-operator-support = Opened the pages in support mode
deed-operator-set-up = Became the operator
deed-operator-sign-in = Signed in to the console
deed-api-integrations = Connected or changed an account
deed-oauth-app = Changed the OAuth app
deed-consents = Recorded consent
deed-erase-person = Erased a person's data
deed-export = Started a report
deed-erase-company = Erased the company
