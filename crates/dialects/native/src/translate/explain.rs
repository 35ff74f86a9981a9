//! Between the wire and explanations.

use super::{invalid, rfc3339};
use crate::wire::explain::{CheckBody, ExplanationBody, FactsBody, OutcomeBody, TriedBody, UrlFormBody};
use valetkey_http_common::public_url::PublicUrl;
use valetkey_model::{Method, Permission, Refusal, Timestamp};
use valetkey_service::redeem::{Asked, CheckOutcome, Explanation, Facts, UrlForm, remedy};
use valetkey_service::{PathRule, ServiceError};

/// What of a URL plays a part.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct UrlParts<'a> {
    /// Scheme and authority as public URLs have them; `None` if the URL is a path and query alone. Empty if it is none of those
    /// that a server can have.
    pub(crate) origin: Option<String>,
    /// The raw path.
    pub(crate) path: &'a str,
    /// The raw query.
    pub(crate) query: Option<&'a str>,
}

/// Takes a URL apart as a client does: what follows `#` is not sent.
pub(crate) fn url_parts(text: &str) -> Result<UrlParts<'_>, ServiceError> {
    let sent = text.trim().split('#').next().unwrap_or_default();
    let wrong = || invalid("url", "something else", "a URL such as `https://host/o/reports/q3.pdf?cat=…`, or its path and query");
    let (origin, target) = match sent.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("https") => {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (authority, target) = rest.split_at_checked(end).ok_or_else(wrong)?;
            if authority.is_empty() {
                return Err(wrong());
            }
            let origin = format!("{scheme}://{authority}").parse::<PublicUrl>();
            (Some(origin.map(|url| without_default_port(url.origin()).to_owned()).unwrap_or_default()), target)
        }
        _ if sent.starts_with('/') => (None, sent),
        _ => return Err(wrong()),
    };
    let (path, query) = target.split_once('?').map_or((target, None), |(path, query)| (path, Some(query)));
    Ok(UrlParts { origin, path, query })
}

/// `https://h:443` is `https://h`.
pub(crate) fn without_default_port(origin: &str) -> &str {
    let default = if origin.starts_with("https:") { ":443" } else { ":80" };
    origin.strip_suffix(default).unwrap_or(origin)
}

/// A method of signed URLs.
pub(crate) fn method_of(name: &str) -> Result<Method, ServiceError> {
    let known = [Method::Get, Method::Head, Method::Put].into_iter().find(|method| method.as_str() == name);
    let found = || format!("`{}`", name.chars().take(32).collect::<String>().escape_debug());
    known.ok_or_else(|| invalid("method", found(), "`GET`, `HEAD` or `PUT`"))
}

/// An explanation to whose URL it is.
pub(crate) fn explanation_body(explanation: &Explanation, own_host: bool) -> ExplanationBody {
    let Explanation { asked, refusal, checks, facts } = explanation;
    let checks = checks.iter().map(|check| CheckBody {
        check: check.refusal.code(),
        outcome: match check.outcome {
            CheckOutcome::Passed => OutcomeBody::Passed,
            CheckOutcome::Failed => OutcomeBody::Failed,
            CheckOutcome::NotReached => OutcomeBody::NotReached,
        },
    });
    ExplanationBody {
        works: refusal.is_none(),
        refusal: refusal.map(Refusal::code),
        detail: refusal.map(|refusal| detail(refusal, facts, asked)),
        mend: refusal.map(|refusal| mend(refusal, facts)),
        own_host,
        tried_as: Some(TriedBody { method: asked.method.as_str(), client_address: asked.client, at: rfc3339(asked.at) }),
        checks: checks.collect(),
        facts: Some(facts_body(facts)),
    }
}

/// What is told of a URL that is not the caller's, or whose fault (`refusal`) can be read in it: the same whatever else it is.
pub(crate) fn not_told(refusal: Option<Refusal>, own_host: bool) -> ExplanationBody {
    const LATER: [Refusal; 8] = [
        Refusal::NotYetValid,
        Refusal::Expired,
        Refusal::WrongPath,
        Refusal::WrongMethod,
        Refusal::WrongAddress,
        Refusal::IssuerDisabled,
        Refusal::Revoked,
        Refusal::ObjectGone,
    ];
    let (code, detail, mend) = match refusal {
        Some(refusal) => (refusal.code(), refusal.sentence(), remedy(refusal)),
        None => (
            Refusal::Malformed.told_as(),
            "it is not a URL that your tenant has issued or signed for a bucket that this API key may use, or it was changed",
            "compare it, character by character, with the URL as it was issued, or issue a new one",
        ),
    };
    let failed = CheckBody { check: code, outcome: OutcomeBody::Failed };
    let later = LATER.map(|refusal| CheckBody { check: refusal.code(), outcome: OutcomeBody::NotReached });
    ExplanationBody {
        works: false,
        refusal: Some(code),
        detail: Some(detail.to_owned()),
        mend: Some(mend),
        own_host,
        tried_as: None,
        checks: std::iter::once(failed).chain(later).collect(),
        facts: None,
    }
}

/// What the failing check found.
fn detail(refusal: Refusal, facts: &Facts, asked: &Asked) -> String {
    let instant = |at: Option<Timestamp>| at.map(rfc3339).unwrap_or_default();
    let tried_at = rfc3339(asked.at);
    let uses = || {
        let of = facts.terms.uses.map_or(0, std::num::NonZeroU32::get);
        let (spent, held) = (facts.n_spent.unwrap_or(0), facts.n_held.unwrap_or(0));
        format!("of {of} uses, {spent} are spent and {held} are held by downloads under way")
    };
    match refusal {
        Refusal::Malformed if facts.form == UrlForm::Public => "it has no token, and the bucket is not public".to_owned(),
        Refusal::NotYetValid => {
            let from = facts.not_before.max(facts.issued_at);
            format!("it works from {} on, and was tried as of {tried_at}", instant(from))
        }
        Refusal::Expired => format!("it worked until {}, and was tried as of {tried_at}", instant(facts.expires_at)),
        Refusal::WrongPath => format!("it is for the path `{}`", path_text(facts).unwrap_or_default()),
        Refusal::WrongMethod => {
            format!("it is {}, and was tried with {}", permission_text(facts.terms.permission), asked.method.as_str())
        }
        Refusal::WrongAddress => {
            let permitted: Vec<_> = facts.terms.addresses.iter().map(|network| format!("`{network}`")).collect();
            format!("it works from {}, and was tried from `{}`", permitted.join(", "), asked.client)
        }
        Refusal::IssuerDisabled => match &facts.terms.issuer {
            Some(issuer) => format!("the API key `{issuer}`, which issued it, is disabled or gone, or may not do this now"),
            None => refusal.sentence().to_owned(),
        },
        Refusal::UsedUp | Refusal::InUse => uses(),
        other => other.sentence().to_owned(),
    }
}

fn mend(refusal: Refusal, facts: &Facts) -> &'static str {
    match (refusal, facts.form) {
        (Refusal::Malformed, UrlForm::Public) => "issue a signed URL, or make the bucket public",
        _ => remedy(refusal),
    }
}

fn permission_text(permission: Permission) -> &'static str {
    match permission {
        Permission::Read => "for reading",
        Permission::Write => "for writing",
        Permission::ReadWrite => "for reading and writing",
    }
}

fn path_text(facts: &Facts) -> Option<String> {
    facts.path.as_ref().map(|path| match path {
        PathRule::Exact(path) => path.clone(),
        PathRule::Prefix(prefix) => format!("{prefix}*"),
    })
}

fn facts_body(facts: &Facts) -> FactsBody {
    let terms = &facts.terms;
    FactsBody {
        form: match facts.form {
            UrlForm::Token => UrlFormBody::Token,
            UrlForm::Link => UrlFormBody::Link,
            UrlForm::Public => UrlFormBody::Public,
        },
        dialect: terms.dialect,
        link_id: facts.link_id,
        bucket: facts.bucket.clone(),
        key: facts.key.clone(),
        path: path_text(facts),
        permission: terms.permission,
        issued_at: facts.issued_at.map(rfc3339),
        not_before_at: facts.not_before.map(rfc3339),
        expires_at: facts.expires_at.map(rfc3339),
        uses: terms.uses,
        uses_spent: facts.n_spent,
        uses_held: facts.n_held,
        uses_left: facts.n_left(),
        addresses: terms.addresses.clone(),
        issuer: terms.issuer.clone(),
        signing_key: facts.signing_key.clone(),
        label: terms.label.clone(),
        pin: terms.pin.is_some(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_url() {
        let check = |text: &str, origin: Option<&str>, path: &str, query: Option<&str>| {
            let expected = UrlParts { origin: origin.map(str::to_owned), path, query };
            assert_eq!(url_parts(text).unwrap(), expected, "{text}");
        };
        check("https://H.example.org/o/b/k?cat=x#part", Some("https://h.example.org"), "/o/b/k", Some("cat=x"));
        check(" HTTP://h:8080/l/x\n", Some("http://h:8080"), "/l/x", None);
        check("https://h:443/l/x", Some("https://h"), "/l/x", None);
        check("https://h:80/l/x", Some("https://h:80"), "/l/x", None);
        check("https://u:p@h/l/x", Some(""), "/l/x", None);
        check("https://h?cat=x", Some("https://h"), "", Some("cat=x"));
        check("/o/b/k?cat=x", None, "/o/b/k", Some("cat=x"));
        check("//o/b/k?", None, "//o/b/k", Some(""));
        for text in ["", "#", "o/b/k", "lnk_AAAAAAAAAAAAAAAAAAAAAA", "ftp://h/o", "https://", "https:///o", "mailto:a@b"] {
            assert!(url_parts(text).is_err(), "{text}");
        }
    }

    #[test]
    fn methods() {
        assert_eq!(method_of("PUT").unwrap(), Method::Put);
        for name in ["", "get", "POST", "DELETE", "OPTIONS"] {
            assert!(method_of(name).is_err(), "{name}");
        }
    }

    #[test]
    fn what_is_not_told() {
        let body = serde_json::to_value(not_told(None, true)).unwrap();
        assert_eq!((&body["refusal"], &body["facts"], &body["works"]), (&"invalid_signature".into(), &().into(), &false.into()));
        assert_eq!(body["checks"].as_array().unwrap().iter().filter(|check| check["outcome"] == "failed").count(), 1);
        assert_eq!(not_told(Some(Refusal::Ambiguous), true).refusal, Some("ambiguous"));
    }
}
