//! Calls signed by the vendor's own libraries (npm `@vonage/server-sdk` 2.11.3, `@vonage/jwt` 1.14.0) with the secret
//! and at the time of the samples, so that no second code of ours vouches for the first. Made by
//! `tests/peers/vendor-signatures.mjs`.

pub(super) const PARAMETERS: &[(&str, &str)] = &[
    ("msisdn", "905321234567"),
    ("to", "FIRMAADI"),
    ("network-code", "28601"),
    ("messageId", "0A0000000123ABCD1"),
    ("price", "0.03330000"),
    ("status", "delivered"),
    ("scts", "2611241000"),
    ("err-code", "0"),
    ("client-ref", "dlv_1"),
    ("message-timestamp", "2026-11-24 10:00:00"),
    ("note", "a&b=c"),
    ("timestamp", "1795514400"),
    ("nonce", "aaaa"),
];

/// By signature method.
pub(super) const OLD: &[(&str, &str)] = &[
    ("sha256", "3c5a1e959a0613fe9568b4a37c57c3f781f91e3d888d1307bba90e4ab9aaf390"),
    (
        "sha512",
        "a3ccfde1bee753f39ab2aa263f98eb327a26bea025b8d36e4e25237f165130081edb715c5958af8c01fb8b375cced39fe56819ef3b3ee590e19c1fa11c0a6b4c",
    ),
    ("sha1", "0ce90f8f564faa34ab30e6c255b596a39fbcb42a"),
    ("md5", "d79723bf09dff761d7533d6241921fbd"),
    ("md5hash", "8a0a9fb19ac78473dc554a47862317a5"),
];

pub(super) const BODY: &str = r#"{"msisdn":"905321234567","to":"FIRMAADI","messageId":"0A0000000123ABCD1","status":"failed","err-code":"3","client-ref":"dlv_1","message-timestamp":"2026-11-24 10:00:00"}"#;

pub(super) const JWT: &str = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpYXQiOjE3OTU1MTQ0MDAsImp0aSI6IjBmM2IzZTFhLTVmN2ItNGE4ZS05ZDU0LWIyYTVjNGQzZTJmMSIsImlzcyI6IlZvbmFnZSIsImFwaV9rZXkiOiJhMWIyYzNkNCIsImFwcGxpY2F0aW9uX2lkIjoiNzhkMzM1ZmEtMzIzZC0wMTE0LTljM2QtZDZmMGQ0ODk2OGNmIiwicGF5bG9hZF9oYXNoIjoiZWQ5ZmZmNmY0MGM5MDNjY2Y4NjM3NTI0YTFhMjZhMmIzOTFmODM2NWNkMjJkODIxNGI5MWFmMDMwY2FjY2Q0ZSJ9.j4l0VW29lfIAEHleM6wdH3yFdC6g5YijKQ_1MfshjXs";
