//! Which connections a channel uses: the one by default, and the one that takes over.

use std::collections::BTreeMap;

use santral_connectors::Channel;
use serde::{Deserialize, Deserializer};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::automation::Problem;
use crate::automation::problem::join;
use crate::companies::setup::Setup;
use crate::db::{self, Tx};
use crate::ids::ConnectionId;
use crate::store::connections;

/// What a channel is to use. What is left out stays; `null` unsets.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DefaultRequest {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub connection: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>)]
    pub fallback: Option<Option<String>>,
}

/// Told apart from what is left out.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// A channel's defaults as they are to be; `None` leaves a place as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Choice {
    channel: Channel,
    connection: Option<Option<Uuid>>,
    fallback: Option<Option<Uuid>>,
}

/// Checks what is asked for against the company's connections.
///
/// # Errors
/// Everything that is wrong, with pointers from `/defaults` on.
pub fn plan(
    setup: &Setup,
    request: &BTreeMap<String, Option<DefaultRequest>>,
) -> Result<Vec<Choice>, Vec<Problem>> {
    let mut choices = Vec::new();
    let mut problems = Vec::new();
    for (name, wanted) in request {
        let pointer = join("/defaults", name);
        let Some(channel) = Channel::parse(name) else {
            problems.push(Problem::new(
                pointer,
                "unknown_channel",
                "Böyle bir kanal yok; kanallar: email, sms, whatsapp, chat, webhook.",
                "There is no such channel; channels: email, sms, whatsapp, chat, webhook.",
            ));
            continue;
        };
        match choose(setup, channel, wanted.as_ref(), &pointer) {
            Ok(choice) => choices.push(choice),
            Err(found) => problems.extend(found),
        }
    }
    if problems.is_empty() { Ok(choices) } else { Err(problems) }
}

fn choose(
    setup: &Setup,
    channel: Channel,
    wanted: Option<&DefaultRequest>,
    pointer: &str,
) -> Result<Choice, Vec<Problem>> {
    // `null` for the whole channel unsets both.
    let Some(wanted) = wanted else {
        return Ok(Choice { channel, connection: Some(None), fallback: Some(None) });
    };
    let mut problems = Vec::new();
    let mut place = |named: &Option<Option<String>>, key: &str| match named {
        None => None,
        Some(None) => Some(None),
        Some(Some(id)) => match find(setup, channel, id) {
            Ok(id) => Some(Some(id)),
            Err((code, tr, en)) => {
                problems.push(Problem::new(format!("{pointer}/{key}"), code, tr, en));
                None
            }
        },
    };
    let choice = Choice {
        channel,
        connection: place(&wanted.connection, "connection"),
        fallback: place(&wanted.fallback, "fallback"),
    };
    let stored = setup.default_of(channel);
    let (connection, fallback) = choice.over(stored.connection, stored.fallback);
    if connection.is_some() && connection == fallback {
        problems.push(Problem::new(
            format!("{pointer}/fallback"),
            "same_connection",
            "Yedek, varsayılan bağlantıdan başka bir bağlantı olmalı.",
            "The fallback must be another connection than the default.",
        ));
    }
    if problems.is_empty() { Ok(choice) } else { Err(problems) }
}

type Wrong = (&'static str, &'static str, &'static str);

fn find(setup: &Setup, channel: Channel, id: &str) -> Result<Uuid, Wrong> {
    let id = id.parse::<ConnectionId>().ok();
    let connection = id.and_then(|id| setup.connection(id.0)).ok_or((
        "unknown_connection",
        "Böyle bir bağlantı yok.",
        "There is no such connection.",
    ))?;
    let serves = santral_connectors::find(&connection.provider).and_then(|connector| connector.channel);
    if serves != Some(channel) {
        return Err((
            "wrong_channel",
            "Bu bağlantı bu kanala hizmet vermiyor.",
            "This connection does not serve this channel.",
        ));
    }
    Ok(connection.id)
}

impl Choice {
    /// What the channel uses then. A fallback that becomes the default is no fallback any more, unless it is named.
    fn over(&self, connection: Option<Uuid>, fallback: Option<Uuid>) -> (Option<Uuid>, Option<Uuid>) {
        let connection = self.connection.unwrap_or(connection);
        let fallback = self.fallback.unwrap_or(fallback.filter(|stored| Some(*stored) != connection));
        (connection, fallback)
    }
}

/// Stores what was chosen, over what is stored now.
pub async fn store(tx: &mut Tx, company: Uuid, choices: &[Choice]) -> db::Result<()> {
    if choices.is_empty() {
        return Ok(());
    }
    let stored = connections::defaults(tx, company).await?;
    for choice in choices {
        let row = stored.iter().find(|row| row.channel == choice.channel.as_str());
        let (connection, fallback) = row.map_or((None, None), |row| (row.connection, row.fallback));
        let (connection, fallback) = choice.over(connection, fallback);
        connections::put_default(tx, company, choice.channel.as_str(), connection, fallback).await?;
    }
    Ok(())
}
