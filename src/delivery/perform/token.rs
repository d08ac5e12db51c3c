//! The access token of a call, where the connection stands on a grant.

use santral_connectors::Failure;

use super::Course;
use crate::db;
use crate::delivery::target::Target;
use crate::grants::Trouble;

/// Puts a token later than `than` into the target and gives its version; nothing to do without a grant.
pub(super) async fn fetch(
    course: &Course<'_>,
    target: &mut Target,
    than: i64,
) -> db::Result<Result<i64, Failure>> {
    let (Some(credential), Some(setup)) = (target.grant, &course.setup) else { return Ok(Ok(0)) };
    match course.engine.services().tokens.newer(setup, credential, than).await {
        Ok(token) => {
            target.credentials = token.credentials;
            Ok(Ok(token.version))
        }
        Err(Trouble::Vendor(failure)) => Ok(Err(failure)),
        Err(Trouble::Db(error)) => Err(error),
    }
}
