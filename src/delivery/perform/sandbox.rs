//! Test mode: what would go to a vendor stays here, with everything else as it always is (docs/adr/0022).

use std::sync::Arc;

use super::{Course, End, Way, ready};
use crate::companies::setup::Setup;
use crate::db;
use crate::delivery::model::{Origin, Payload};
use crate::delivery::target::OPERATORS_MAIL;
use crate::store::jobs::Phase;

/// The reason of a delivery that went to the sandbox, and the outcome of its attempt.
pub(super) const SANDBOX: &str = "sandbox";

impl Course<'_> {
    /// Whether it stays here.
    pub(super) fn stays(&self, setup: &Setup) -> bool {
        setup.test_mode && !self.is_news(setup)
    }

    /// News to the CRM's own endpoints goes on in test mode: no vendor carries it. What the operator's mail account
    /// would carry stays, as it would by the company's own: in test mode no message reaches a person.
    pub(super) fn is_news(&self, setup: &Setup) -> bool {
        let lane = self.claim.lane.id;
        let has_vendor = lane == OPERATORS_MAIL || setup.connection(lane).is_some();
        self.work.origin == Origin::Notice.as_str() && !has_vendor
    }

    /// Makes out what would be sent and asks whether it might leave, but asks no vendor for anything: the connection
    /// may be broken, and there need not be one.
    pub(super) async fn keep(
        &mut self,
        setup: &Arc<Setup>,
        payload: Payload,
        phase: Phase,
    ) -> db::Result<End> {
        let mut operation = match ready::operation(self, setup, payload) {
            Ok(operation) => operation,
            Err(end) => return Ok(end),
        };
        let mut end = self.fit(setup, &mut operation).await?;
        if end.is_none() && phase == Phase::Claimed {
            end = match self.ask(setup, &operation).await {
                Ok(Way::Sandbox) => None,
                Ok(Way::Vendor) => Some(self.late(End::Later)),
                Err(end) => Some(end),
            };
        }
        self.operation = Some(operation);
        Ok(end.unwrap_or(End::Kept))
    }

    /// The database knows of a switch that this node's copy has not heard of yet.
    pub(super) fn late(&self, end: End) -> End {
        self.engine.setups().forget(self.claim.lane.company);
        end
    }
}
