//! The scenarios: what is sent, and what it must come to.

use serde_json::{Value, json};
use tower_lro::Protocol;

pub struct Scenario {
    /// Its name in the specifications.
    pub name: &'static str,
    pub protocol: Protocol,
    pub method: &'static str,
    path: String,
    /// Where else the same is sent, and must come to the same.
    more_paths: Vec<String>,
    body: Value,
    /// Whether it is one, or has ended with the first response.
    pub has_operation: bool,
    pub status: u16,
    pub is_expected: fn(&Value) -> bool,
}

impl Scenario {
    pub fn urls(&self, base: &str) -> Vec<String> {
        [&self.path].into_iter().chain(&self.more_paths).map(|path| format!("{base}{path}")).collect()
    }

    pub fn body_text(&self) -> String {
        if self.body.is_null() { String::new() } else { self.body.to_string() }
    }
}

const NESTED: &str = "{group}/Resources/topLevelTrackedResources/top/nestedProxyResources/nested";
const TOP: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/test-rg/providers/Azure.ResourceManager.Resources/topLevelTrackedResources/top";

fn extension(scope: &str) -> String {
    format!(
        "{scope}/providers/Azure.ResourceManager.Resources/extensionsResources/extension?api-version=2023-12-01-preview"
    )
}

/// Stands for a group of resources, and what its providers have in common.
const GROUP: &str = "{group}/";

fn core(
    name: &'static str,
    (method, path): (&'static str, &str),
    body: Value,
    is_expected: fn(&Value) -> bool,
) -> Scenario {
    let path = format!("/azure/core/lro/{path}api-version=2022-12-01-preview");
    Scenario {
        name,
        protocol: Protocol::azure_core(),
        method,
        path,
        more_paths: Vec::new(),
        body,
        has_operation: true,
        status: 200,
        is_expected,
    }
}

fn resource_manager(
    name: &'static str,
    (method, path): (&'static str, &str),
    body: Value,
    is_expected: fn(&Value) -> bool,
) -> Scenario {
    let path = format!(
        "/subscriptions/00000000-0000-0000-0000-000000000000/{path}?api-version=2023-12-01-preview",
        path = path.replace(GROUP, "resourceGroups/test-rg/providers/Azure.ResourceManager.")
    );
    Scenario {
        name,
        protocol: Protocol::azure_resource_manager(),
        method,
        path,
        more_paths: Vec::new(),
        body,
        has_operation: true,
        status: 200,
        is_expected,
    }
}

/// An operation that the service ends with its first response.
fn at_once(scenario: Scenario) -> Scenario {
    let status = if scenario.method == "DELETE" { 204 } else { 200 };
    Scenario { has_operation: false, status, ..scenario }
}

fn is_user(body: &Value) -> bool {
    *body == json!({"name": "madge", "role": "contributor"})
}

fn is_order(body: &Value) -> bool {
    body["name"] == "order1" && body["properties"]["productId"] == "product1" && body.get("status").is_none()
}

fn is_first_page(body: &Value) -> bool {
    body["value"][0]["name"] == "product1" && body["nextLink"].is_string()
}

fn is_described(body: &Value) -> bool {
    body["properties"]["provisioningState"] == "Succeeded" && body["properties"]["description"] != ""
}

pub fn scenarios() -> Vec<Scenario> {
    [of_core(), of_operations(), of_pages(), of_tracked_resources(), of_other_resources()]
        .into_iter()
        .flatten()
        .collect()
}

/// The data plane.
fn of_core() -> Vec<Scenario> {
    vec![
        core(
            "Azure_Core_Lro_Rpc_longRunningRpc",
            ("POST", "rpc/generations:submit?"),
            json!({"prompt": "text"}),
            |body| body["result"]["data"] == "text data",
        ),
        core(
            "Azure_Core_Lro_Standard_createOrReplace",
            ("PUT", "standard/users/madge?"),
            json!({"role": "contributor"}),
            is_user,
        ),
        core("Azure_Core_Lro_Standard_delete", ("DELETE", "standard/users/madge?"), Value::Null, |body| {
            *body == json!({"id": "operation2", "status": "Succeeded"})
        }),
        core(
            "Azure_Core_Lro_Standard_export",
            ("POST", "standard/users/madge:export?format=json&"),
            Value::Null,
            |body| body["result"] == json!({"name": "madge", "resourceUri": "/users/madge"}),
        ),
    ]
}

/// Operations on a resource.
fn of_operations() -> Vec<Scenario> {
    vec![
        resource_manager(
            "Azure_ResourceManager_OperationTemplates_Lro_createOrReplace",
            ("PUT", "{group}/OperationTemplates/orders/order1"),
            json!({"location": "eastus", "properties": {"productId": "product1", "amount": 1}}),
            is_order,
        ),
        resource_manager(
            "Azure_ResourceManager_OperationTemplates_Lro_export",
            ("POST", "{group}/OperationTemplates/orders/order1/export"),
            json!({"format": "csv"}),
            |body| *body == json!({"content": "order1,product1,1"}),
        ),
        Scenario {
            status: 204,
            ..resource_manager(
                "Azure_ResourceManager_OperationTemplates_Lro_delete",
                ("DELETE", "{group}/OperationTemplates/orders/order1"),
                Value::Null,
                Value::is_null,
            )
        },
        resource_manager(
            "Azure_ResourceManager_OperationTemplates_Lro_exportArray",
            ("POST", "providers/Azure.ResourceManager.OperationTemplates/exportArray"),
            json!({"format": "csv"}),
            |body| body.as_array().is_some_and(|array| array.len() == 2),
        ),
    ]
}

/// Lists, and a header of 6 KB.
fn of_pages() -> Vec<Scenario> {
    vec![
        resource_manager(
            "Azure_ResourceManager_OperationTemplates_Lro_getLro",
            ("GET", "{group}/OperationTemplates/costReports/report1"),
            Value::Null,
            |body| body["name"] == "report1",
        ),
        resource_manager(
            "Azure_ResourceManager_OperationTemplates_LroPaging_postPagingLro",
            ("POST", "{group}/OperationTemplates/products/default/postPagingLro"),
            Value::Null,
            is_first_page,
        ),
        resource_manager(
            "Azure_ResourceManager_OperationTemplates_LroPaging_postPagingLroWithBody",
            ("POST", "{group}/OperationTemplates/products/default/postPagingLroWithBody"),
            json!({"vnetId": "vnet1"}),
            is_first_page,
        ),
        resource_manager(
            "Azure_ResourceManager_LargeHeader_LargeHeaders_two6k",
            ("POST", "{group}/LargeHeader/largeHeaders/header1/two6k"),
            Value::Null,
            |body| *body == json!({"succeeded": true}),
        ),
    ]
}

/// Resources that are created at once.
fn of_tracked_resources() -> Vec<Scenario> {
    let described = |description: &str| json!({"location": "eastus", "properties": {"description": description}});
    vec![
        at_once(resource_manager(
            "Azure_ResourceManager_Resources_TopLevel_createOrReplace",
            ("PUT", "{group}/Resources/topLevelTrackedResources/top"),
            described("valid"),
            is_described,
        )),
        at_once(resource_manager(
            "Azure_ResourceManager_Resources_TopLevel_update",
            ("PATCH", "{group}/Resources/topLevelTrackedResources/top"),
            json!({"properties": {"description": "valid2"}}),
            is_described,
        )),
        at_once(resource_manager(
            "Azure_ResourceManager_Resources_TopLevel_delete",
            ("DELETE", "{group}/Resources/topLevelTrackedResources/top"),
            Value::Null,
            Value::is_null,
        )),
    ]
}

/// The rules below and beside other layers.
fn of_other_resources() -> Vec<Scenario> {
    let described = |description: &str| json!({"location": "eastus", "properties": {"description": description}});
    vec![
        at_once(resource_manager(
            "Azure_ResourceManager_Resources_Nested_createOrReplace",
            ("PUT", NESTED),
            json!({"properties": {"description": "valid"}}),
            is_described,
        )),
        at_once(resource_manager(
            "Azure_ResourceManager_Resources_Nested_update",
            ("PATCH", NESTED),
            json!({"properties": {"description": "valid2"}}),
            is_described,
        )),
        at_once(resource_manager(
            "Azure_ResourceManager_Resources_Nested_delete",
            ("DELETE", NESTED),
            Value::Null,
            Value::is_null,
        )),
        Scenario {
            // For each scope that there is.
            more_paths: ["/subscriptions/00000000-0000-0000-0000-000000000000", "", TOP].map(extension).to_vec(),
            ..at_once(resource_manager(
                "Azure_ResourceManager_Resources_ExtensionsResources_createOrUpdate",
                ("PUT", "{group}/Resources/extensionsResources/extension"),
                json!({"properties": {"description": "valid"}}),
                is_described,
            ))
        },
        at_once(resource_manager(
            "Azure_ResourceManager_Resources_Singleton_createOrUpdate",
            ("PUT", "{group}/Resources/singletonTrackedResources/default"),
            described("valid"),
            is_described,
        )),
    ]
}
