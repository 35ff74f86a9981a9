//! API keys and signing keys.

use super::{api, conflict, no_key, once, page, too_large, too_slow, writing_api};
use crate::wire::keys::{
    ApiKeyBody, ApiKeyIdText, ApiKeyUpdateBody, ApiKeysBody, IssuedApiKeyBody, IssuedSigningKeyBody, Kid, NewApiKeyBody,
    NewSigningKeyBody, NothingBody, SigningKeyBody, SigningKeyUpdateBody, SigningKeysBody,
};
use serde_json::json;
use valetkey_http_common::openapi::schemas::Url;
use valetkey_http_common::openapi::{Answer, HttpMethod, Piece, path};

const ADMIN: &[&str] = &["admin"];

/// The paths of keys, all of them for administrators of a tenant.
pub(super) fn describe(piece: Piece) -> Piece {
    signing_keys(api_keys(piece))
}

fn api_keys(piece: Piece) -> Piece {
    let id = || [path::<ApiKeyIdText>("id", "The API key.")];
    let create = writing_api("createApiKey", "Make an API key", ADMIN, "With any scopes, within the tenant of whoever makes it.")
        .json::<NewApiKeyBody>("The API key.", true, json!({"id": "backend", "scopes": ["object:read", "link:issue"]}))
        .answer(
            201,
            Answer::json::<IssuedApiKeyBody>("It works. The secret is shown once.")
                .with_header::<Url>("Location", "Where it is.")
                .link("getApiKey", &[("id", "$response.body#/id")])
                .link("deleteApiKey", &[("id", "$response.body#/id")]),
        )
        .answers([conflict(), too_large(), too_slow()]);
    let list = api("listApiKeys", "List API keys", ADMIN, "The tenant's, by id; never their secrets.")
        .parameters(page())
        .answer(200, Answer::json::<ApiKeysBody>("A page."));
    let show = api("getApiKey", "Look at an API key", ADMIN, "")
        .parameters(id())
        .answer(200, Answer::json::<ApiKeyBody>("The API key."))
        .answers([no_key()]);
    let update = writing_api(
        "updateApiKey",
        "Change an API key",
        ADMIN,
        "Effective on the next request, also for the URLs that it issued.",
    )
    .parameters(id())
    .json::<ApiKeyUpdateBody>("What changes.", true, json!({"disabled": true}))
    .answer(200, Answer::json::<ApiKeyBody>("The API key."))
    .answers([no_key(), conflict(), too_large(), too_slow()]);
    let rotate = writing_api("rotateApiKey", "Give an API key another secret", ADMIN, "The old one is dead.")
        .parameters(id())
        .json::<NothingBody>("Nothing, or `{}`.", false, json!({}))
        .answer(200, Answer::json::<IssuedApiKeyBody>("The API key. The secret is shown once."))
        .answers([no_key(), too_large(), too_slow()]);
    let delete = writing_api(
        "deleteApiKey",
        "Delete an API key",
        ADMIN,
        "For good: its id is never used again. The URLs that it issued are dead.",
    )
    .parameters(id())
    .answer(204, Answer::empty("It is gone."))
    .answers([no_key(), conflict()]);
    piece
        .operation(HttpMethod::Post, "/vk/v1/api-keys", once(create))
        .get_and_head("/vk/v1/api-keys", list)
        .get_and_head("/vk/v1/api-keys/{id}", show)
        .operation(HttpMethod::Patch, "/vk/v1/api-keys/{id}", update)
        .operation(HttpMethod::Delete, "/vk/v1/api-keys/{id}", delete)
        .operation(HttpMethod::Post, "/vk/v1/api-keys/{id}/secret", once(rotate))
}

fn signing_keys(piece: Piece) -> Piece {
    let kid = || [path::<Kid>("kid", "The signing key.")];
    let create =
        writing_api("createSigningKey", "Make a signing key", ADMIN, "For the server, or for an API key that signs offline.")
            .json::<NewSigningKeyBody>(
                "The signing key.",
                true,
                json!({"kid": "app-1", "algorithm": "HS256", "owner": "backend"}),
            )
            .answer(
                201,
                Answer::json::<IssuedSigningKeyBody>("It works. A secret that was made for it is shown once.")
                    .with_header::<Url>("Location", "Where it is.")
                    .link("getSigningKey", &[("kid", "$response.body#/kid")])
                    .link("updateSigningKey", &[("kid", "$response.body#/kid")]),
            )
            .answers([no_key(), conflict(), too_large(), too_slow()]);
    let list = api("listSigningKeys", "List signing keys", ADMIN, "The tenant's, by id; never their secrets.")
        .parameters(page())
        .answer(200, Answer::json::<SigningKeysBody>("A page."));
    let show = api("getSigningKey", "Look at a signing key", ADMIN, "")
        .parameters(kid())
        .answer(200, Answer::json::<SigningKeyBody>("The signing key."))
        .answers([no_key()]);
    let update = writing_api(
        "updateSigningKey",
        "Change what a signing key is good for",
        ADMIN,
        "\
        Effective on the next request. Once it is revoked, the URLs that it signed are dead.",
    )
    .parameters(kid())
    .json::<SigningKeyUpdateBody>("The state.", true, json!({"state": "verify-only"}))
    .answer(200, Answer::json::<SigningKeyBody>("The signing key."))
    .answers([no_key(), conflict(), too_large(), too_slow()]);
    piece
        .operation(HttpMethod::Post, "/vk/v1/signing-keys", once(create))
        .get_and_head("/vk/v1/signing-keys", list)
        .get_and_head("/vk/v1/signing-keys/{kid}", show)
        .operation(HttpMethod::Patch, "/vk/v1/signing-keys/{kid}", update)
}
