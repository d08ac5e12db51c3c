//! Every variable: its name, flag, default and meaning. One row here is all that documentation and recognition need.

use std::num::NonZeroU32;

/// The beginning of every variable's name.
pub const PREFIX: &str = "SANTRAL_";

/// One thing the operator can set.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    /// Without `SANTRAL_`; the flag is the same in lower case with hyphens.
    pub name: &'static str,
    /// What the value is, for help texts: `ADDRESS:PORT`.
    pub value: &'static str,
    /// The default in words, as the reference shows it.
    pub default: &'static str,
    pub way: Way,
    pub help: &'static str,
}

/// How a value may be given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By flag or environment, and shown by `config check`.
    Plain,
    /// Like a plain one, but never shown, and `…_FILE` may name a file that holds it.
    SecretFlag,
    /// By environment or file only: other users of the machine can read command lines.
    Secret,
}

impl Variable {
    pub fn full_name(&self) -> String {
        format!("{PREFIX}{}", self.name)
    }

    /// The flag without its hyphens, if it has one.
    pub fn flag(&self) -> Option<String> {
        (self.way != Way::Secret).then(|| self.name.to_ascii_lowercase().replace('_', "-"))
    }

    pub fn is_secret(&self) -> bool {
        self.way != Way::Plain
    }
}

const fn plain(
    name: &'static str,
    value: &'static str,
    default: &'static str,
    help: &'static str,
) -> Variable {
    Variable { name, value, default, way: Way::Plain, help }
}

/// Deliveries under way at once, unless set.
pub const DEFAULT_WORKERS: NonZeroU32 = match NonZeroU32::new(256) {
    Some(workers) => workers,
    None => NonZeroU32::MIN,
};
/// Days of retention, unless set.
pub const DEFAULT_RETENTION: Option<NonZeroU32> = NonZeroU32::new(90);

pub const LISTEN: Variable = plain("LISTEN", "ADDRESS:PORT", "`127.0.0.1:8080`", "Where the server answers.");
pub const PUBLIC_URL: Variable = plain(
    "PUBLIC_URL",
    "URL",
    "`http://` and the listen address",
    "Where browsers and vendors reach the server. May have a path, when another site proxies to it under a prefix.",
);
pub const FRAME_ANCESTORS: Variable = plain(
    "FRAME_ANCESTORS",
    "ORIGINS",
    "none",
    "Origins whose pages may embed the settings pages, separated by commas or spaces: `https://crm.example.com`.",
);
pub const RETURN_ORIGINS: Variable = plain(
    "RETURN_ORIGINS",
    "ORIGINS",
    "none",
    "Origins that a browser may return to after consent, besides this server's own and those of `FRAME_ANCESTORS`: \
     `https://crm.example.com`.",
);
pub const ACCENT: Variable = plain(
    "ACCENT",
    "COLOUR",
    "Santral's blue",
    "The accent colour of the pages, such as `#0a7d4f`, where the CRM that frames them names none. It is used as it is \
     where it can be read, else made darker or lighter until it can.",
);
pub const CONSOLE: Variable = plain(
    "CONSOLE",
    "BOOLEAN",
    "`true`",
    "Whether the operator's pages, `/console`, are there (`true` or `false`).",
);
pub const DATA_DIR: Variable = plain(
    "DATA_DIR",
    "DIRECTORY",
    "`./data`",
    "What Santral keeps on this machine: the SQLite file, the master key file.",
);
pub const DATABASE_URL: Variable = Variable {
    name: "DATABASE_URL",
    value: "URL",
    default: "`sqlite:<data dir>/santral.db`",
    way: Way::SecretFlag,
    help: "The database: `sqlite:<file>` or `postgres://<user>:<password>@<host>/<database>`.",
};
pub const DATABASE_OWNER_URL: Variable = Variable {
    name: "DATABASE_OWNER_URL",
    value: "URL",
    default: "the database URL",
    way: Way::SecretFlag,
    help: "PostgreSQL address of the role that owns the tables, for `santral migrate`.",
};
pub const PLATFORM_KEY: Variable = Variable {
    name: "PLATFORM_KEY",
    value: "KEY",
    default: "none",
    way: Way::Secret,
    help: "The key with which the CRM's back end acts for any company: any text of 32 characters or more.",
};
pub const MASTER_KEY_FILE: Variable = plain(
    "MASTER_KEY_FILE",
    "FILE",
    "`<data dir>/master.key`",
    "The file of master keys, readable by its owner only. Made at the first start; keep a copy apart from the database.",
);
pub const ROLE: Variable = plain(
    "ROLE",
    "ROLE",
    "`all`",
    "What this process does: `api` answers requests, `worker` delivers, `all` does both.",
);
pub const WORKERS: Variable =
    plain("WORKERS", "NUMBER", "`256`", "Deliveries that may be under way at once, 1 to 10000.");
pub const RETENTION_DAYS: Variable = plain(
    "RETENTION_DAYS",
    "DAYS",
    "`90`",
    "How long events and message bodies are kept, up to 36500 days; `0` keeps them for ever.",
);
pub const ALLOW_NETWORKS: Variable = plain(
    "ALLOW_NETWORKS",
    "NETWORKS",
    "none",
    "Private networks that outgoing calls may reach nevertheless, as CIDR: `10.1.0.0/16,fd00::/8`.",
);
pub const SMTP_ALLOW_PLAINTEXT: Variable = plain(
    "SMTP_ALLOW_PLAINTEXT",
    "BOOLEAN",
    "`false`",
    "Whether companies may use mail servers without encryption (`true` or `false`).",
);
pub const NOTICE_SMTP_URL: Variable = Variable {
    name: "NOTICE_SMTP_URL",
    value: "URL",
    default: "none",
    way: Way::Secret,
    help: "The operator's own mail account, by which a company hears that a connection broke when it has no other \
           connection that works: `smtps://<user>:<password>@<host>?from=<address>`, or `smtp://…` for STARTTLS.",
};
pub const CA_FILE: Variable = plain(
    "CA_FILE",
    "FILE",
    "none",
    "Root certificates (PEM) to trust besides the system's, for servers inside the company.",
);
pub const EGRESS_IPS: Variable = plain(
    "EGRESS_IPS",
    "ADDRESSES",
    "none",
    "The addresses this server calls from, shown where a vendor wants an allow-list.",
);
pub const LOG: Variable = plain(
    "LOG",
    "FILTER",
    "`info`",
    "What is logged: a level, or levels by target such as `info,santral::delivery=debug`. Libraries stay at `info`.",
);

/// In the order of the reference.
pub const ALL: &[&Variable] = &[
    &LISTEN,
    &PUBLIC_URL,
    &FRAME_ANCESTORS,
    &RETURN_ORIGINS,
    &ACCENT,
    &CONSOLE,
    &DATA_DIR,
    &DATABASE_URL,
    &DATABASE_OWNER_URL,
    &PLATFORM_KEY,
    &MASTER_KEY_FILE,
    &ROLE,
    &WORKERS,
    &RETENTION_DAYS,
    &ALLOW_NETWORKS,
    &SMTP_ALLOW_PLAINTEXT,
    &NOTICE_SMTP_URL,
    &CA_FILE,
    &EGRESS_IPS,
    &LOG,
];

/// Variables that exist once per vendor, as (pattern, meaning).
pub const PER_VENDOR: &[(&str, &str)] = &[
    (
        "OAUTH_<IDP>_CLIENT_ID",
        "The client id of your app at this identity provider; with its secret it enables the provider.",
    ),
    ("OAUTH_<IDP>_CLIENT_SECRET", "Its secret; `…_CLIENT_SECRET_FILE` may name a file that holds it."),
    (
        "OAUTH_<IDP>_URL",
        "Another origin for the identity provider (tests, proxies, sandboxes): replaces scheme, host and port.",
    ),
    (
        "OAUTH_<IDP>_REVOKE",
        "`false` leaves grants at the vendor when the last connection goes: for an app that you use for other things too.",
    ),
    (
        "OAUTH_<IDP>_TENANT",
        "At Microsoft, who may consent: `common` unless set, `organizations`, `consumers`, or a tenant's id or domain.",
    ),
    ("PROVIDER_<ID>_URL", "Another origin for a vendor's API, in the same way."),
];
