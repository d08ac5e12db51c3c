//! The vocabulary of manifests: what a form asks, how an account is proven, what the vendor allows.

use std::time::Duration;

use crate::idp::Idp;
use crate::values::{Credentials, FieldProblem, Settings};

/// A text for people in both languages; a missing one does not compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text {
    pub en: &'static str,
    pub tr: &'static str,
}

/// How a company connects an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Typed fields, proven by a check.
    Fields,
    /// Consent at an identity provider.
    OAuth(OAuth),
}

/// What a connector needs of a grant. Its credentials are `access_token` and `account`, the account's label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OAuth {
    pub idp: &'static Idp,
    /// Without these it cannot work.
    pub scopes: &'static [&'static str],
    /// Asked for only when wanted; without them something less important does not work.
    pub optional_scopes: &'static [&'static str],
    /// Its check asks the identity provider, so the address configured for that one holds for it.
    pub check_asks_idp: bool,
}

impl Auth {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fields => "fields",
            Self::OAuth(_) => "oauth",
        }
    }

    /// What it needs of a grant, where it is connected by consent.
    pub const fn oauth(&self) -> Option<&OAuth> {
        match self {
            Self::Fields => None,
            Self::OAuth(oauth) => Some(oauth),
        }
    }
}

/// One field of the form a company fills in.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    pub key: &'static str,
    pub part: Part,
    pub kind: FieldKind,
    pub required: bool,
    pub label: Text,
    pub help: Text,
    /// An example of a good value; shown as a placeholder, never a real secret.
    pub sample: &'static str,
    /// Taken when the field is absent.
    pub default: Option<&'static str>,
}

/// Where a field's value lives: settings can be read back, credentials never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    Settings,
    Credentials,
}

impl Part {
    /// The part as it stands in the API: `settings` or `credentials`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Credentials => "credentials",
        }
    }
}

/// What the fields cannot say one by one: fills in settings that follow from others and refuses combinations.
/// Runs only when every field is good by itself.
pub type Complete = fn(&mut Settings, &Credentials) -> Vec<FieldProblem>;

/// What a field's value must look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldKind {
    /// One line, at most 500 characters, no control characters.
    Text,
    /// One line of at most 8 KiB that is stored encrypted and never shown again.
    Secret,
    /// A host name or a literal address, without scheme or port.
    Host,
    /// 1 to 65535, as a number or a string of digits.
    Port,
    /// One e-mail address without a display name.
    Email,
    /// An absolute `http` or `https` address without credentials or fragment.
    Url,
    /// One of these values.
    Select(&'static [Choice]),
}

/// One value of a [`FieldKind::Select`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    pub value: &'static str,
    pub label: Text,
}

/// Ready-made settings for a well-known service behind this connector.
#[derive(Debug, Clone, Copy)]
pub struct Preset {
    pub id: &'static str,
    pub name: &'static str,
    /// Settings and credentials that are the same for every account, such as SendGrid's user name `apikey`.
    pub values: &'static [(&'static str, &'static str)],
    pub help: Text,
}

/// What the vendor allows and promises.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Calls per window; all of them hold at once.
    pub rates: &'static [Rate],
    /// Calls that may be under way at once on one connection.
    pub concurrency: u16,
    /// The longest one call may take.
    pub deadline: Duration,
    /// The receiver dedupes by the idempotency key, so an unknown outcome is simply sent again.
    pub idempotent: bool,
    /// The vendor later tells what became of a message, so `sent` is not the last word.
    pub receipts: bool,
}

/// At most `count` calls in each `window`, counted per connection.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    pub count: u32,
    pub window: Duration,
}
