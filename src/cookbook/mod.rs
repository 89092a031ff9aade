//! Cookbook: a page for each of the best known services, with what there is to know about it.
//!
//! | page | protocol | what is special |
//! | --- | --- | --- |
//! | [`azure_maps`] | `operation_location`, `location` | keys in the query, hosts by geography |
//! | [`document_intelligence`] | `operation_location` | large results inside the last status response |
//! | [`translator`] | `operation_location` | success in part, statuses of its own |
//! | [`fabric`] | `fabric` | regional hosts, the result at an address of its own; Power BI |
//! | [`azure_resource_manager`] | `azure_resource_manager` | tokens that expire, start responses other than 202 |
//! | [`graph`] | `graph` | monitors elsewhere, which refuse a token |
//! | [`fhir`] | `fhir` | a `GET` that starts work, errors that are outcomes |
//! | [`ogc_processes`] | `ogc_processes` | a result that is elsewhere; pygeoapi, GeoServer |
//! | [`redfish`] | `redfish` | task monitors that end as the operation would have, and tasks |
//! | [`lxd`] | `lxd` | integer codes, operations that are soon gone; Incus |
//! | [`durable_functions`] | `durable_functions` | a key in the monitor's address |
//! | [`snowflake_sql`] | `snowflake_sql` | 202 until the result |
//! | [`dataverse`] | `dataverse` | integer codes, `Prefer: respond-async` |
//! | [`meilisearch`] | `meilisearch` | tasks that are named in the body |
//! | [`http_202`] | `http_202` | nothing but HTTP |
//! | [`adobe_pdf_services`] | a description | results in somebody else's storage |
//! | [`azure_devops`] | a description | a link in the body |
//! | [`camunda`] | a description | batches that move into history |
//! | [`celery_flower`] | a description | the states of Celery, over HTTP |
//! | [`databricks`] | a description | statements, and runs of jobs |
//! | [`glacier`] | a description | a name in a header |
//! | [`ironic`] | a description | done when there is no target any more |
//! | [`openstack`] | a description | the resource is the monitor |
//! | [`orthanc`] | a description | jobs that look like everything else |
//! | [`power_platform`] | a description | regional hosts, a state within a state |
//! | [`replicate`] | a description | links in the body |
//! | [`typed_clients`] | of the service | octocrab, kube, generated clients: what to set, and how errors come out |
//! | [`your_own`] | [`Protocol::builder`](crate::Protocol::builder) | everything that a protocol can say |
//! | [`other_stacks`] | any | the gateway, for other languages and clients |
//! | [`knobs`] | all of them | what a description can say, and which service needs it |
//!
//! The first example of each page is the code that you need. The last one runs against the [`simulator`](crate::simulator) with the
//! service's own answers, and is a start for tests of your own code: without a network, an account, or time that passes. The functions
//! build a client each, to be complete; build yours once, and clone it.
//!
//! # What holds for all of them
//!
//! - **Responses that start no operation pass through**, errors above all: check the HTTP status of what you get as you did without the layer.
//!   [`ResponseExt::operation`](crate::ResponseExt::operation) says whether it is a final response or one that passed through.
//! - **An operation that failed is not an error**, unless you say so: once, by
//!   [`LroLayer::error_on_failure`](crate::LroLayer::error_on_failure), or where it matters, by
//!   [`ResponseExt::error_for_operation`](crate::ResponseExt::error_for_operation).
//! - **An [`OperationError`](crate::OperationError) means that the service accepted the request.** Do not send it again, and let nothing above
//!   the layer do so; [resume](crate::Operation::resume) the operation.
//! - **There is no deadline** unless you set one: [`LroLayer::timeout`](crate::LroLayer::timeout). The timeout of a reqwest client bounds
//!   each single request.
//! - **Credentials of the request are copied to its polls.** A token that expires, or a signature, is better added *below* the layer,
//!   to each request anew, as on the page of [`azure_resource_manager`].
//! - **A reqwest client follows redirects by itself**, before the layer can judge where they lead, and keeps headers that it
//!   does not know for secrets, such as a service's own key. `redirect(Policy::none())` leaves them to the layer,
//!   which follows those of polls. Those of the start request are then yours.

#[doc = include_str!("azure_maps.md")]
pub mod azure_maps {}

#[doc = include_str!("document_intelligence.md")]
pub mod document_intelligence {}

#[doc = include_str!("translator.md")]
pub mod translator {}

#[doc = include_str!("fabric.md")]
pub mod fabric {}

#[doc = include_str!("azure_resource_manager.md")]
pub mod azure_resource_manager {}

#[doc = include_str!("graph.md")]
pub mod graph {}

#[doc = include_str!("fhir.md")]
pub mod fhir {}

#[doc = include_str!("ogc_processes.md")]
pub mod ogc_processes {}

#[doc = include_str!("redfish.md")]
pub mod redfish {}

#[doc = include_str!("lxd.md")]
pub mod lxd {}

#[doc = include_str!("durable_functions.md")]
pub mod durable_functions {}

#[doc = include_str!("snowflake_sql.md")]
pub mod snowflake_sql {}

#[doc = include_str!("dataverse.md")]
pub mod dataverse {}

#[doc = include_str!("meilisearch.md")]
pub mod meilisearch {}

#[doc = include_str!("http_202.md")]
pub mod http_202 {}

#[doc = include_str!("adobe_pdf_services.md")]
pub mod adobe_pdf_services {}

#[doc = include_str!("azure_devops.md")]
pub mod azure_devops {}

#[doc = include_str!("camunda.md")]
pub mod camunda {}

#[doc = include_str!("celery_flower.md")]
pub mod celery_flower {}

#[doc = include_str!("databricks.md")]
pub mod databricks {}

#[doc = include_str!("glacier.md")]
pub mod glacier {}

#[doc = include_str!("ironic.md")]
pub mod ironic {}

#[doc = include_str!("openstack.md")]
pub mod openstack {}

#[doc = include_str!("orthanc.md")]
pub mod orthanc {}

#[doc = include_str!("power_platform.md")]
pub mod power_platform {}

#[doc = include_str!("replicate.md")]
pub mod replicate {}
#[doc = include_str!("typed_clients.md")]
pub mod typed_clients {}

#[doc = include_str!("your_own.md")]
pub mod your_own {}

#[doc = include_str!("other_stacks.md")]
pub mod other_stacks {}

#[doc = include_str!("knobs.md")]
pub mod knobs {}
