//! A change of what a company has configured: one transaction that every node hears of.

use uuid::Uuid;

use crate::app::App;
use crate::db::Tx;
use crate::error::{AppError, AppResult};
use crate::ids::CompanyId;
use crate::store::companies;

/// A transaction that holds the company's row, so that changes of one company happen one after the other.
#[derive(Debug)]
pub struct Change {
    pub tx: Tx,
    company: Uuid,
}

impl Change {
    /// Begins a change of a company.
    ///
    /// # Errors
    /// `not_found` when there is no such company, or it is being erased.
    pub async fn of_company(app: &App, company: CompanyId) -> AppResult<Self> {
        Self::begin(app, company, &["active"]).await
    }

    /// Begins a change of a company, or of the platform itself (nil id).
    ///
    /// # Errors
    /// As [`Self::of_company`].
    pub async fn of_owner(app: &App, owner: CompanyId) -> AppResult<Self> {
        Self::begin(app, owner, &["active", "platform"]).await
    }

    async fn begin(app: &App, company: CompanyId, statuses: &[&str]) -> AppResult<Self> {
        let mut tx = app.db().company(company).write().await?;
        companies::bump(&mut tx, company.0).await?;
        let found = companies::find(&mut tx, company.0).await?;
        if !found.is_some_and(|found| statuses.contains(&found.status.as_str())) {
            return Err(AppError::not_found());
        }
        Ok(Self { tx, company: company.0 })
    }

    /// Makes it durable; from now on this node works with it, and others as soon as they hear.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub async fn commit(self, app: &App) -> AppResult<()> {
        self.tx.commit().await?;
        app.setups().forget(self.company);
        Ok(())
    }
}
