//! What somebody who opens a URL with a number of uses in a browser is told before anything is used, and the button they press.
//!
//! Link scanners open URLs, and some run what is on a page; what opens a session is a POST with a nonce that only the page has.

use super::{Found, Refusal};
use crate::sealing::hmac_sha256;
use crate::{LinkSecret, Service, ServiceError};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use valetkey_metadata::ledger::Denied;
use valetkey_metadata::{AuditEntry, GrantKey};
use valetkey_model::{Action, Outcome, SecretText, Timestamp, sabotaged};

/// How long the button of a page works.
const NONCE_LIFETIME: Duration = Duration::from_secs(600);

/// What may be had by pressing the button.
#[derive(Debug)]
pub struct Offer {
    /// What the button sends: good for this URL alone, and for ten minutes.
    pub nonce: SecretText,
    /// How many uses there are that nobody has begun.
    pub n_left: u32,
}

/// What pressing the button did.
#[derive(Debug)]
pub enum Pressed {
    /// It opened a session: the secret that proves its holder.
    Opened(SecretText),
    /// Nothing: the request comes from the holder of a session already.
    Held,
    /// Nothing: the nonce is too old, or another URL's, or made up.
    NotOffered,
}

impl Service {
    /// What pressing the button would do now; uses nothing. `None` for the holder of a session, who goes straight on, and where
    /// uses are not counted.
    ///
    /// # Errors
    ///
    /// What pressing would be refused with: see [`Service::press`].
    pub async fn offer(&self, found: &Found) -> Result<Option<Offer>, Refusal> {
        let grant = found.grant();
        let offered = self.offered(found).await.map_err(|refusal| self.refused(grant, refusal))?;
        if offered.is_some() {
            self.count_answer(found, Outcome::Offered);
        }
        Ok(offered)
    }

    async fn offered(&self, found: &Found) -> Result<Option<Offer>, Refusal> {
        let grant = found.grant();
        let (Some(rules), Some(key)) = (self.rules(grant), grant.ledger_key()) else { return Ok(None) };
        if grant.prefetch {
            return Err(Refusal::Prefetch);
        }
        self.until_settled(&key).await;
        let ledger = self.metadata().ledger(&key).await;
        let mut ledger = ledger.map_err(|error| ServiceError::from(error).as_refusal())?.unwrap_or_default();
        let ask = self.ask(found, rules, Vec::new(), &LinkSecret::random(self.entropy()).text());
        // On a copy, which is thrown away.
        let opened = ledger.open(&ask).map_err(Denied::refusal)?;
        let nonce = self.nonce(&key, self.now().plus(NONCE_LIFETIME).whole_seconds());
        Ok(opened.then(|| Offer { nonce, n_left: ledger.n_free(rules.uses).saturating_add(1) }))
    }

    /// Opens a session for whoever pressed the button, if the nonce is of an [`Offer`] of this very URL.
    ///
    /// # Errors
    ///
    /// [`Refusal::Expired`], [`Refusal::UsedUp`], [`Refusal::InUse`], [`Refusal::Prefetch`], [`Refusal::Unavailable`].
    pub async fn press(&self, found: &Found, nonce: &str) -> Result<Pressed, Refusal> {
        let grant = found.grant();
        let (Some(rules), Some(key)) = (self.rules(grant), grant.ledger_key()) else { return Ok(Pressed::NotOffered) };
        if grant.prefetch {
            return Err(self.refused(grant, Refusal::Prefetch));
        }
        if !self.is_nonce_of(&key, nonce) && !sabotaged("nonce-ignored") {
            return Ok(Pressed::NotOffered);
        }
        self.until_settled(&key).await;
        let secret = LinkSecret::random(self.entropy()).text();
        let ask = self.ask(found, rules, Vec::new(), &secret);
        if !self.audit_is_written() {
            return Err(self.refused(grant, Refusal::Unavailable));
        }
        let session = Some(ask.new_session);
        let record = AuditEntry { n_requests: 1, session, ..self.entry_of_grant(grant, Action::UrlRedeem) };
        let opened = self.recording(vec![record]).open_session(&key, self.forget_at(grant.expires_at()), ask).await;
        let opened = match opened {
            Ok(opened) => opened.map_err(Denied::refusal),
            Err(error) => {
                tracing::error!(%error, "a session cannot be opened");
                Err(Refusal::Unavailable)
            }
        };
        self.count_asked(grant, opened);
        Ok(if opened? { Pressed::Opened(secret) } else { Pressed::Held })
    }

    fn is_nonce_of(&self, key: &GrantKey, nonce: &str) -> bool {
        let Some((until, _)) = nonce.split_once('.') else { return false };
        let Some(until) = until.parse().ok().map(Timestamp::from_seconds) else { return false };
        let own = self.nonce(key, until);
        bool::from(own.expose().as_bytes().ct_eq(nonce.as_bytes())) && self.now() < until
    }

    /// `{seconds since 1970}.{HMAC-SHA256 over them and the grant}`.
    fn nonce(&self, key: &GrantKey, until: Timestamp) -> SecretText {
        let GrantKey { tenant, signing_key, link_id } = key;
        let signing_key = signing_key.as_ref().map_or("", |key| key.as_str());
        let until = until.as_seconds();
        // None of them can hold a line feed.
        let message = format!("{tenant}\n{signing_key}\n{link_id}\n{until}");
        let tag = hmac_sha256(&self.inner().master_key.derive("offer"), message.as_bytes());
        SecretText::new(format!("{until}.{}", URL_SAFE_NO_PAD.encode(tag)))
    }
}
