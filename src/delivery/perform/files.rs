//! The bytes of a delivery's attachments: stored ones from the database, others fetched through the outbound guard.

use std::time::Duration;

use bytes::Bytes;
use santral_connectors::operation::{Attachment, AttachmentSource};
use santral_connectors::{Failure, File, Operation};

use super::Course;
use crate::db;
use crate::ids::{BlobId, CompanyId};
use crate::store::blobs;

/// All attachments of one message together (docs/connectors/smtp.md).
pub(super) const MOST_BYTES: usize = 10 * 1024 * 1024;
/// The longest one attachment may take to arrive.
const FETCH_WITHIN: Duration = Duration::from_secs(30);

pub(super) async fn load(
    course: &Course<'_>,
    operation: &Operation,
) -> db::Result<Result<Vec<File>, Failure>> {
    let mut files = Vec::new();
    let mut room = MOST_BYTES;
    for attachment in operation.attachments() {
        let file = match &attachment.source {
            AttachmentSource::Blob(id) => stored(course, attachment, id).await?,
            AttachmentSource::Url(url) => fetched(course, attachment, url, room).await,
        };
        match file {
            Ok(file) => {
                room = room.saturating_sub(file.content.len());
                files.push(file);
            }
            Err(failure) => return Ok(Err(failure)),
        }
    }
    Ok(Ok(files))
}

async fn stored(course: &Course<'_>, attachment: &Attachment, id: &str) -> db::Result<Result<File, Failure>> {
    let gone = || Failure::rejected("attachment_gone", format!("“{}” is no longer kept", attachment.name));
    let Ok(id) = id.parse::<BlobId>() else { return Ok(Err(gone())) };
    let company = CompanyId(course.claim.lane.company);
    let mut tx = course.engine.services().db.company(company).read().await?;
    let content = blobs::content(&mut tx, company.0, id.0).await?;
    Ok(content.ok_or_else(gone).map(|content| file(attachment, None, content.into())))
}

async fn fetched(
    course: &Course<'_>,
    attachment: &Attachment,
    url: &str,
    room: usize,
) -> Result<File, Failure> {
    let fetched = course.engine.services().outbound.fetch(url, room, FETCH_WITHIN).await?;
    Ok(file(attachment, fetched.content_type, fetched.bytes))
}

fn file(attachment: &Attachment, found_type: Option<String>, content: Bytes) -> File {
    let content_type = attachment.content_type.clone().or(found_type);
    File {
        name: attachment.name.clone(),
        content_type: content_type.unwrap_or_else(|| "application/octet-stream".to_owned()),
        content,
    }
}
