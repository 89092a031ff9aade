//! Layers below that repair faults.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use http::{
    Extensions, HeaderValue, Request, StatusCode,
    header::{AUTHORIZATION, CONTENT_ENCODING},
};
use reqwest_middleware::{ClientBuilder, Middleware, Next};
use tower::{Layer, ServiceBuilder, ServiceExt, service_fn};
use tower_http::decompression::DecompressionLayer;

use crate::{
    client::{
        Ended, INTEGRATIONS, Integration, Package, Report, hyper, quick, reqwest, through_middleware, through_tower,
    },
    server::{Script, Server},
    server_script::{GZIPPED, SUCCEEDED, gzipped, of_length, reply, running, succeeded},
};

/// A token that is refreshed when it is refused.
#[derive(Clone, Default)]
struct Token(Arc<AtomicUsize>);

impl Token {
    fn value(&self) -> HeaderValue {
        format!("token-{}", self.0.load(Ordering::SeqCst)).parse().unwrap()
    }

    fn refresh(&self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[async_trait::async_trait]
impl Middleware for Token {
    async fn handle(
        &self,
        mut request: reqwest::Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let again = request.try_clone();
        request.headers_mut().insert(AUTHORIZATION, self.value());
        let response = next.clone().run(request, extensions).await?;
        match again {
            Some(mut again) if response.status() == StatusCode::UNAUTHORIZED => {
                self.refresh();
                again.headers_mut().insert(AUTHORIZATION, self.value());
                next.run(again, extensions).await
            }
            _ => Ok(response),
        }
    }
}

async fn authorized(integration: Integration, url: &str) -> Report {
    let token = Token::default();
    if let Integration::Middleware = integration {
        return through_middleware(&ClientBuilder::new(reqwest()).with(quick()).with(token).build(), url).await;
    }
    let client = hyper();
    let service = service_fn(move |mut request: Request<Package>| {
        let (client, token) = (client.clone(), token.clone());
        async move {
            let mut again = request.clone();
            request.headers_mut().insert(AUTHORIZATION, token.value());
            let response = client.clone().oneshot(request).await?;
            if response.status() != StatusCode::UNAUTHORIZED {
                return Ok(response);
            }
            token.refresh();
            again.headers_mut().insert(AUTHORIZATION, token.value());
            client.oneshot(again).await
        }
    });
    through_tower(quick().layer(service), url).await
}

#[tokio::test]
async fn a_token_that_expires_in_mid_operation_is_refreshed_below() {
    for integration in INTEGRATIONS {
        let expired = || reply(401, &["www-authenticate: Bearer"], "expired");
        let server = Server::of(Script::new([running(), expired(), running(), expired(), succeeded()]));
        let report = authorized(integration, &server.url("/start")).await;
        assert_eq!(report.ended, Ended::succeeded(SUCCEEDED), "{integration:?}: {report:?}");
        // The layer does not notice.
        assert_eq!(report.operation.unwrap().polls(), 3, "{integration:?}");
        let tokens: Vec<_> = server
            .seen()
            .iter()
            .map(|seen| seen.head.split("authorization: token-").nth(1).unwrap().chars().next().unwrap())
            .collect();
        assert_eq!(tokens, ['0', '0', '0', '1', '1', '2'], "{integration:?}");
        assert_eq!(server.starts(), 1, "{integration:?}");
    }
}

#[tokio::test]
async fn a_compressed_status_is_read_where_a_layer_below_decompresses_it() {
    // A body that breaks off is a failed poll like any other.
    let broken = of_length(200, &["content-encoding: gzip"], GZIPPED.len(), "").then(&GZIPPED[..12]).close();
    let server = Server::of(Script::new([running(), broken, gzipped()]));
    let service = ServiceBuilder::new().layer(quick()).layer(DecompressionLayer::new()).service(hyper());
    let report = through_tower(service, &server.url("/start")).await;
    assert_eq!(report.ended, Ended::succeeded(SUCCEEDED), "{report:?}");
    assert!(!report.headers.contains_key(CONTENT_ENCODING), "{report:?}");
    assert_eq!((server.starts(), server.polls()), (1, 3));
}
