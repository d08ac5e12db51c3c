//! Consents from a table as spreadsheets and İYS write it: good lines are recorded, bad ones are told.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use santral_connectors::Channel;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::consent::{Answer, ConsentRequest, statement, store};
use crate::app::App;
use crate::automation::Problem;
use crate::clock::Micros;
use crate::companies::setup::Setup;
use crate::error::{AppError, AppResult};
use crate::i18n::Lang;
use crate::store::consents::Statement;

/// Lines of one file.
const MOST_LINES: usize = 100_000;
/// Bad lines that are told one by one; the others are counted.
const MOST_TOLD: usize = 100;

/// What the file itself does not say.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ImportQuery {
    /// `email`, `sms` or `whatsapp`, where the file has no such column.
    channel: Option<String>,
    /// How the consents were given, where the file has no such column; `csv` when absent.
    source: Option<String>,
}

/// What became of a file.
#[derive(Debug, Serialize, ToSchema)]
pub struct Imported {
    /// Lines that were written down.
    pub recorded: usize,
    /// Lines that were not.
    pub refused: usize,
    /// The first hundred of these.
    pub problems: Vec<BadLine>,
}

/// A line that could not be used.
#[derive(Debug, Serialize, ToSchema)]
pub struct BadLine {
    /// Counted from one, the heading included.
    pub line: u64,
    pub code: &'static str,
    pub detail: String,
}

/// The columns of a file, by what they mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Column {
    Recipient,
    Channel,
    Status,
    At,
    Source,
}

/// Lower case in plain ASCII letters: `İPTAL`, `iptal` and `ıptal` are the same word. Pure, and blind to locale.
fn fold(text: &str) -> String {
    text.trim()
        .chars()
        .filter_map(|c| match c {
            'İ' | 'I' | 'ı' | 'î' | 'Î' => Some('i'),
            'Ş' | 'ş' => Some('s'),
            'Ğ' | 'ğ' => Some('g'),
            'Ç' | 'ç' => Some('c'),
            'Ö' | 'ö' => Some('o'),
            'Ü' | 'ü' | 'û' | 'Û' => Some('u'),
            'â' | 'Â' => Some('a'),
            // The dot that lower-casing İ leaves behind.
            '\u{307}' => None,
            c => Some(c.to_ascii_lowercase()),
        })
        .collect()
}

fn column(heading: &str) -> Option<Column> {
    Some(match fold(heading).replace(['_', '-', ' '], "").as_str() {
        "recipient" | "alici" | "telefon" | "phone" | "gsm" | "email" | "eposta" => Column::Recipient,
        "channel" | "kanal" | "type" | "tip" | "izinturu" => Column::Channel,
        "status" | "durum" | "izin" | "onay" => Column::Status,
        "at" | "date" | "consentdate" | "tarih" | "izintarihi" => Column::At,
        "source" | "kaynak" | "izinkaynagi" => Column::Source,
        _ => return None,
    })
}

/// Records the good lines of a file and tells the bad ones.
///
/// # Errors
/// When the file as a whole cannot be read: no heading, a needed column missing, too many lines.
pub async fn import(
    app: &App,
    setup: &Setup,
    (file, query): (&[u8], &ImportQuery),
    lang: Lang,
) -> AppResult<Imported> {
    let reading = Reading { setup, query, now: app.clock().micros() };
    let (statements, bad) = reading.read(file)?;
    store(app, setup, &statements).await?;
    let told = bad.iter().take(MOST_TOLD).map(|(line, problem)| BadLine {
        line: *line,
        code: problem.code,
        detail: problem.detail.get(lang).to_owned(),
    });
    Ok(Imported { recorded: statements.len(), refused: bad.len(), problems: told.collect() })
}

struct Reading<'a> {
    setup: &'a Setup,
    query: &'a ImportQuery,
    now: Micros,
}

impl Reading<'_> {
    fn read(&self, file: &[u8]) -> AppResult<(Vec<Statement>, Vec<(u64, Problem)>)> {
        let file = file.strip_prefix("\u{feff}".as_bytes()).unwrap_or(file);
        let mut reader = csv::ReaderBuilder::new()
            .delimiter(delimiter(file))
            .flexible(true)
            .trim(csv::Trim::All)
            .from_reader(file);
        let headings = reader.byte_headers().map_err(|_| unreadable())?.clone();
        let columns = self.columns(&headings)?;
        let (mut statements, mut bad) = (Vec::new(), Vec::new());
        for (index, record) in reader.byte_records().enumerate() {
            if index >= MOST_LINES {
                return Err(AppError::field(
                    "",
                    "too_many",
                    format!("Bir dosyada en çok {MOST_LINES} satır olabilir."),
                    format!("A file may have at most {MOST_LINES} lines."),
                ));
            }
            let record = record.map_err(|_| unreadable())?;
            let line = record.position().map_or(0, |at| line(file, at));
            if record.iter().all(<[u8]>::is_empty) {
                continue;
            }
            match self.line(&columns, &record) {
                Ok(statement) => statements.push(statement),
                Err(problem) => bad.push((line, problem)),
            }
        }
        Ok((statements, bad))
    }

    fn columns(&self, headings: &csv::ByteRecord) -> AppResult<HashMap<Column, usize>> {
        let mut columns = HashMap::new();
        for (index, heading) in headings.iter().enumerate() {
            if let Some(column) = std::str::from_utf8(heading).ok().and_then(column) {
                columns.entry(column).or_insert(index);
            }
        }
        let mut needed =
            vec![(Column::Recipient, "recipient"), (Column::Status, "status"), (Column::At, "at")];
        if self.query.channel.is_none() {
            needed.push((Column::Channel, "channel"));
        }
        let missing: Vec<_> = needed
            .iter()
            .filter(|(column, _)| !columns.contains_key(column))
            .map(|(_, name)| *name)
            .collect();
        if missing.is_empty() {
            return Ok(columns);
        }
        let missing = missing.join(", ");
        Err(AppError::field(
            "",
            "columns_missing",
            format!("İlk satırda şu sütunlar bulunamadı: {missing}."),
            format!("The first line lacks these columns: {missing}."),
        ))
    }

    fn line(&self, columns: &HashMap<Column, usize>, record: &csv::ByteRecord) -> Result<Statement, Problem> {
        let cell = |column: Column| -> Result<&str, Problem> {
            let bytes = columns.get(&column).and_then(|index| record.get(*index)).unwrap_or_default();
            std::str::from_utf8(bytes).map_err(|_| {
                let (tr, en) = ("Dosyayı UTF-8 olarak kaydedin.", "Save the file as UTF-8.");
                Problem::new("", "not_utf8", tr, en)
            })
        };
        let channel = match cell(Column::Channel)? {
            "" => self.query.channel.as_deref().unwrap_or_default(),
            named => named,
        };
        let source = match cell(Column::Source)? {
            "" => self.query.source.as_deref().unwrap_or("csv"),
            named => named,
        };
        let consent = ConsentRequest {
            recipient: cell(Column::Recipient)?.to_owned(),
            channel: channel_of(channel)?,
            status: answer_of(cell(Column::Status)?)?,
            at: time_of(cell(Column::At)?, self.setup.context.zone())?,
            source: source.to_owned(),
        };
        statement(self.setup, &consent, self.now)
    }
}

/// The line a record begins on. After a CRLF the reader stands between its two halves, on the line before.
fn line(file: &[u8], at: &csv::Position) -> u64 {
    let byte = usize::try_from(at.byte()).ok().and_then(|at| file.get(at));
    at.line() + u64::from(byte == Some(&b'\n'))
}

fn unreadable() -> AppError {
    AppError::field(
        "",
        "unreadable",
        "Dosya bir CSV tablosu olarak okunamadı.",
        "The file cannot be read as a CSV table.",
    )
}

/// Spreadsheets write a comma, a semicolon (where the comma is the decimal sign) or a tab: whichever the heading has most.
fn delimiter(file: &[u8]) -> u8 {
    let heading = file.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let count = |wanted: u8| heading.iter().filter(|byte| **byte == wanted).count();
    [b';', b'\t'].into_iter().find(|other| count(*other) > count(b',')).unwrap_or(b',')
}

fn channel_of(text: &str) -> Result<Channel, Problem> {
    match fold(text).replace('-', "").as_str() {
        "sms" | "mesaj" => Ok(Channel::Sms),
        "email" | "eposta" | "mail" => Ok(Channel::Email),
        "whatsapp" => Ok(Channel::Whatsapp),
        _ => {
            let (tr, en) = (
                "Kanal “sms”, “email” ya da “whatsapp” olmalı.",
                "The channel must be “sms”, “email” or “whatsapp”.",
            );
            Err(Problem::new("", "unknown_channel", tr, en))
        }
    }
}

fn answer_of(text: &str) -> Result<Answer, Problem> {
    match fold(text).as_str() {
        "granted" | "onay" | "onayli" | "evet" | "yes" | "1" | "true" => Ok(Answer::Granted),
        "refused" | "ret" | "red" | "hayir" | "no" | "0" | "false" => Ok(Answer::Refused),
        _ => {
            let (tr, en) = ("Durum “onay” ya da “ret” olmalı.", "The status must be “granted” or “refused”.");
            Err(Problem::new("", "unknown_status", tr, en))
        }
    }
}

/// RFC 3339, or a date with or without a time as Turkish spreadsheets and İYS write it, in the company's zone.
fn time_of(text: &str, zone: &TimeZone) -> Result<Timestamp, Problem> {
    let bad = || {
        let (tr, en) = (
            "Tarih 2026-11-24 10:30 ya da 24.11.2026 10:30 gibi olmalı.",
            "The date must be like 2026-11-24 10:30 or 24.11.2026 10:30.",
        );
        Problem::new("", "date_invalid", tr, en)
    };
    if let Ok(at) = text.parse::<Timestamp>() {
        return Ok(at);
    }
    // Longer than any of the forms.
    if text.len() > 40 {
        return Err(bad());
    }
    let local = [
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%d %H:%M",
        "%d.%m.%Y %H:%M:%S",
        "%d.%m.%Y %H:%M",
        "%d/%m/%Y %H:%M:%S",
        "%d/%m/%Y %H:%M",
    ]
    .into_iter()
    .find_map(|format| DateTime::strptime(format, text).ok())
    .or_else(|| {
        ["%Y-%m-%d", "%d.%m.%Y", "%d/%m/%Y"]
            .into_iter()
            .find_map(|format| jiff::civil::Date::strptime(format, text).ok())
            .map(|date| date.at(0, 0, 0, 0))
    });
    let zoned = local.ok_or_else(bad)?.to_zoned_datetime(zone.clone()).map_err(|_| bad())?;
    Ok(zoned.timestamp())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn istanbul() -> TimeZone {
        TimeZone::get("Europe/Istanbul").unwrap()
    }

    #[test]
    fn dates_are_read_as_people_write_them() {
        for text in [
            "2026-11-24T07:30:00Z",
            "2026-11-24 10:30",
            "2026-11-24 10:30:00",
            "24.11.2026 10:30",
            "24/11/2026 10:30:00",
        ] {
            assert_eq!(time_of(text, &istanbul()).unwrap().to_string(), "2026-11-24T07:30:00Z", "{text}");
        }
        assert_eq!(time_of("24.11.2026", &istanbul()).unwrap().to_string(), "2026-11-23T21:00:00Z");
        for bad in ["", "dün", "24.13.2026", "99999-01-01", "2026", "\u{0}"] {
            assert!(time_of(bad, &istanbul()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn headings_and_words_are_understood_in_both_languages() {
        for (heading, meant) in [
            ("Alıcı", Column::Recipient),
            ("E-Posta", Column::Recipient),
            ("İzin Tarihi", Column::At),
            ("DURUM", Column::Status),
            ("consent_date", Column::At),
            ("Kaynak", Column::Source),
        ] {
            assert_eq!(column(heading), Some(meant), "{heading}");
        }
        assert_eq!(channel_of("MESAJ"), Ok(Channel::Sms));
        assert_eq!(answer_of("RET"), Ok(Answer::Refused));
        assert_eq!(answer_of("Hayır"), Ok(Answer::Refused));
        assert_eq!(delimiter(b"alici;durum;tarih\n1,2;3"), b';');
        assert_eq!(delimiter(b"recipient,status,at"), b',');
    }

    proptest! {
        #[test]
        fn no_cell_makes_it_panic(text in "\\PC{0,60}") {
            let _ = (time_of(&text, &istanbul()), channel_of(&text), answer_of(&text), column(&text));
        }
    }
}
