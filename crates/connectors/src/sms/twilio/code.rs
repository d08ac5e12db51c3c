//! Twilio's codes and what they mean, <https://www.twilio.com/docs/api/errors>.

use std::time::Duration;

use crate::call::{Answer, Effect, misconfigured, rejected_credentials, word};
use crate::connector::Cx;
use crate::failure::{DUPLICATE, Failure, OPTED_OUT, OUTSIDE_WINDOW};
use crate::words::of_vendor;

/// A queue of ten hours is full; it drains slowly.
const QUEUE_WAIT: Duration = Duration::from_mins(5);

/// What an answer that is no success means: by the code in its body, else by its status.
pub(crate) fn of_answer(cx: &Cx<'_>, answer: &Answer, effect: Effect) -> Failure {
    let told = answer.json().filter(|_| !answer.is_success()).and_then(|json| {
        let code = word(json.get("code")?)?;
        let words = json.get("message").and_then(word).unwrap_or_default();
        of(&code, of_vendor(cx, &words))
    });
    let failure = told.unwrap_or_else(|| answer.by_status(cx, effect));
    match answer.wait(cx) {
        Some(wait) => failure.after(wait),
        None => failure,
    }
}

/// A code of an answer or of a receipt; `None` for one that no table has.
pub(crate) fn of(code: &str, words: String) -> Option<Failure> {
    let failure = match code {
        "20003" => rejected_credentials(words),
        "20404" => misconfigured("account_unknown", words),
        "20429" | "63017" | "63018" => Failure::rate_limited("rate_limited", words, None),
        "21611" | "30001" => Failure::rate_limited("queue_full", words, Some(QUEUE_WAIT)),
        "21211" | "21614" | "30006" => Failure::rejected("recipient_invalid", words),
        "21612" | "63024" => Failure::rejected("recipient_unreachable", words),
        "21610" => Failure::rejected(OPTED_OUT, words),
        // Switched off or out of coverage. The vendor has tried for hours.
        "30003" => Failure::rejected("recipient_unreachable", words),
        "30005" => Failure::rejected("recipient_unknown", words),
        "21408" => misconfigured("country_not_allowed", words),
        "21606" | "21212" | "21603" | "63007" => misconfigured("sender_not_approved", words),
        "21608" => misconfigured("trial_account", words),
        "30034" => misconfigured("sender_not_registered", words),
        "30002" => misconfigured("account_suspended", words),
        "30004" => Failure::rejected("recipient_refused", words),
        "30007" => Failure::rejected("operator_refused", words),
        "63013" => Failure::rejected("policy_refused", words),
        "21617" => Failure::rejected("text_too_long", words),
        "21602" => Failure::rejected("text_empty", words),
        "63016" => Failure::rejected(OUTSIDE_WINDOW, words),
        "63021" | "63028" => Failure::rejected("template_variables_wrong", words),
        "63027" => Failure::rejected("template_unknown", words),
        // "Not sent again within 24 hours": trying within our own hours is pointless.
        "63032" => Failure::rejected("recipient_spared", words),
        "63049" => Failure::rejected("recipient_spared", words),
        "63051" | "63112" => misconfigured("account_suspended", words),
        "30008" | "63012" => Failure::retryable("vendor_failed", words),
        "30009" | "30010" => Failure::rejected("not_delivered", words),
        "63026" => Failure::rejected(DUPLICATE, words),
        _ => return None,
    };
    Some(failure.vendor_code(code))
}

/// The error of a message that did not arrive; an unknown code is still a failure.
pub(crate) fn of_message(code: Option<&str>, words: &str) -> Failure {
    let code = code.filter(|code| !code.is_empty() && *code != "0" && code.len() <= 10);
    match code {
        Some(code) => of(code, words.to_owned())
            .unwrap_or_else(|| Failure::rejected("not_delivered", words).vendor_code(code)),
        None => Failure::rejected("not_delivered", words),
    }
}
