//! The client, as progenitor makes it: each has a copy of the layer, for its hook.

progenitor::generate_api!(spec = "../conversions.json", inner_type = tower_lro::LroLayer);
