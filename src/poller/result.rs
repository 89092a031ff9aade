//! The place of the final response: pure rules.

use http::{Method, Uri};

use crate::protocol::{final_response::FinalResponse, start_rule::By};

/// What kind of document the final status response is, if that matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Document {
    /// A document about the operation, or nothing.
    OfStatus,
    /// Anything else.
    OfResource,
}

/// The known places of a result.
pub(crate) struct Places<'a> {
    /// The start request's method.
    pub(crate) method: &'a Method,
    /// The way in which the monitor was announced.
    pub(crate) by: &'a By,
    /// The resource that the final status response names.
    pub(crate) resource: Option<Uri>,
    /// The `Location` of the final status response, or the one beside the monitor's address.
    pub(crate) location: Option<Uri>,
    /// The address of the start request, which few need.
    pub(crate) original: &'a dyn Fn() -> Option<Uri>,
    pub(crate) document: Document,
}

/// The address of the final response, if it is not the final status response.
pub(crate) fn place(choice: FinalResponse, places: Places<'_>) -> Option<Uri> {
    match choice {
        FinalResponse::Status => None,
        FinalResponse::Resource => places.resource,
        FinalResponse::Location => places.location,
        FinalResponse::OriginalUri => (places.original)(),
        FinalResponse::Auto => {
            let is_at_location = places.by.is_location();
            match (places.resource, places.method) {
                (Some(resource), _) => Some(resource),
                (None, &Method::PUT | &Method::PATCH) if is_at_location && places.document == Document::OfResource => {
                    None
                }
                (None, &Method::PUT | &Method::PATCH) => (places.original)(),
                (None, &Method::POST) if !is_at_location => places.location,
                (None, _) => None,
            }
        }
    }
}

/// Whether the final status response may itself be the result, provided that it is not a document about an operation.
pub(crate) fn may_be_status_response(method: &Method, by: &By) -> bool {
    by.is_location() && matches!(*method, Method::PUT | Method::PATCH)
}

/// The kind of final response that the caller gets: the layer's choice, unless it leaves that to a protocol that knows better.
pub(crate) fn choice(of_layer: Option<FinalResponse>, of_protocol: FinalResponse) -> FinalResponse {
    match of_layer {
        None => of_protocol,
        Some(FinalResponse::Auto) if of_protocol != FinalResponse::Status => of_protocol,
        Some(of_layer) => of_layer,
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, header::LOCATION};

    use super::*;

    /// The rows of `FinalResponse`'s documentation.
    #[test]
    fn places() {
        use Document::{OfResource, OfStatus};
        use FinalResponse::{Auto, Location, OriginalUri, Resource, Status};
        let by_location = By::Header(LOCATION);
        let by_other = By::Header(HeaderName::from_static("operation-location"));
        let all = |method, by, resource: Option<&'static str>, document| Places {
            method,
            by,
            resource: resource.map(Uri::from_static),
            location: Some(Uri::from_static("/location")),
            original: &|| Some(Uri::from_static("/original")),
            document,
        };
        for (choice, method, by, resource, document, expected) in [
            (Status, &Method::PUT, &by_other, Some("/resource"), OfStatus, None),
            (Resource, &Method::PUT, &by_other, Some("/resource"), OfStatus, Some("/resource")),
            (Resource, &Method::PUT, &by_other, None, OfStatus, None),
            (Location, &Method::GET, &by_other, Some("/resource"), OfStatus, Some("/location")),
            (OriginalUri, &Method::DELETE, &by_other, Some("/resource"), OfStatus, Some("/original")),
            (Auto, &Method::DELETE, &by_other, Some("/resource"), OfStatus, Some("/resource")),
            (Auto, &Method::PUT, &by_other, None, OfStatus, Some("/original")),
            (Auto, &Method::PATCH, &by_location, None, OfStatus, Some("/original")),
            (Auto, &Method::PUT, &by_location, None, OfResource, None),
            (Auto, &Method::PUT, &by_other, None, OfResource, Some("/original")),
            (Auto, &Method::POST, &by_other, None, OfStatus, Some("/location")),
            (Auto, &Method::POST, &by_location, None, OfStatus, None),
            (Auto, &Method::DELETE, &by_other, None, OfStatus, None),
            (Auto, &Method::GET, &by_location, None, OfResource, None),
        ] {
            let place = place(choice, all(method, by, resource, document));
            assert_eq!(place.map(|uri| uri.to_string()).as_deref(), expected, "{choice:?} {method} {by:?}");
        }
        let nothing = |method| Places {
            method,
            by: &by_other,
            resource: None,
            location: None,
            original: &|| None,
            document: OfStatus,
        };
        for choice in [Status, Resource, Location, OriginalUri, Auto] {
            assert_eq!(place(choice, nothing(&Method::PUT)), None);
            assert_eq!(place(choice, nothing(&Method::POST)), None);
        }
    }

    #[test]
    fn choices() {
        use FinalResponse::{Auto, Location, Resource, Status};
        for (of_layer, of_protocol, expected) in [
            (None, Status, Status),
            (None, Location, Location),
            (Some(Resource), Location, Resource),
            (Some(Status), Auto, Status),
            (Some(Auto), Location, Location),
            (Some(Auto), Status, Auto),
        ] {
            assert_eq!(choice(of_layer, of_protocol), expected);
        }
    }
}
