//! Accounts in the ledger.

use super::{Ledger, LedgerError};
use crate::domain::account::AccountEdit;
use crate::domain::ids::AccountId;

impl Ledger {
    /// Changes the limits of an account. Errors: [`LedgerError::Unknown`] when it is not there.
    pub async fn change_account(&self, id: AccountId, edit: AccountEdit) -> Result<(), LedgerError> {
        self.run(move |store| store.edit_account(id, &edit)).await
    }
}
