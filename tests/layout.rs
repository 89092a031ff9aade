//! The layout of `src/`: imports run down one list and never in a circle, and no file is too long to be read.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A module may import modules in its own line or in one below.
const ORDER: [&str; 15] = [
    "internals",
    "simulator",
    "service",
    "layer",
    "poller",
    "config",
    "event",
    "error",
    "request",
    "operation",
    "protocol",
    "address",
    "timing",
    "json",
    "redact",
];

/// Below all others, and what documentation alone is made of.
const LEAVES: [&str; 1] = ["limits"];
const DOCUMENTATION: [&str; 2] = ["cookbook", "guide"];

/// Lines that are neither blank nor comments nor tests.
const MAX_LINES: usize = 400;

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("its entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The sources by the paths of their modules, without tests.
fn modules() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    sources(&root, &mut paths);
    let module = |path: &PathBuf| {
        let relative = path.strip_prefix(&root).expect("it is below").with_extension("");
        let parts: Vec<_> = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        parts.join("::").trim_end_matches("::mod").to_owned()
    };
    paths
        .iter()
        .filter(|path| !path.ends_with("lib.rs") && !path.to_string_lossy().ends_with("_tests.rs"))
        .map(|path| {
            let text = fs::read_to_string(path).expect("a source");
            let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
            (module(path), code.to_owned())
        })
        .collect()
}

/// The paths that a tree of imports names: `a::{b, c::{self, d}}` is `a::b`, `a::c`, `a::c::d`.
fn flatten(prefix: &str, tree: &str, paths: &mut BTreeSet<String>) {
    let tree = tree.trim();
    let Some((head, inside)) = tree.split_once('{') else {
        let name = tree.split(" as ").next().unwrap_or_default().trim();
        let path = format!("{prefix}{name}");
        paths.insert(path.trim_end_matches("::self").to_owned());
        return;
    };
    let inside = inside.strip_suffix('}').unwrap_or(inside);
    let (mut depth, mut from) = (0_i32, 0);
    for (at, character) in inside.char_indices().chain([(inside.len(), ',')]) {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let item = inside[from..at].trim();
                if !item.is_empty() {
                    flatten(&format!("{prefix}{}", head.trim()), item, paths);
                }
                from = at + 1;
            }
            _ => {}
        }
    }
}

/// The modules of this crate that a source imports.
fn imports(code: &str) -> BTreeSet<String> {
    let mut paths = BTreeSet::new();
    for (at, _) in code.match_indices("use crate::") {
        let tree = &code[at + "use crate::".len()..];
        flatten("", &tree[..tree.find(';').unwrap_or(tree.len())], &mut paths);
    }
    paths
}

/// The module that defines what a path names; `None` if it is reached through another, such as the crate's root.
fn definer(path: &str, modules: &BTreeMap<String, String>) -> Option<String> {
    let (module, _) = path.rsplit_once("::").unwrap_or((path, ""));
    [path, module].into_iter().find(|module| modules.contains_key(*module)).map(str::to_owned)
}

fn edges(modules: &BTreeMap<String, String>) -> (BTreeMap<String, BTreeSet<String>>, Vec<String>) {
    let mut through_root = Vec::new();
    let mut edges = BTreeMap::new();
    for (module, code) in modules {
        let mut targets = BTreeSet::new();
        for path in imports(code) {
            match definer(&path, modules) {
                Some(target) => _ = targets.insert(target),
                None => through_root.push(format!("{module} imports {path}, which no module of that name defines")),
            }
        }
        targets.remove(module);
        edges.insert(module.clone(), targets);
    }
    (edges, through_root)
}

fn rank(module: &str) -> Option<usize> {
    let top = module.split("::").next().unwrap_or_default();
    match LEAVES.contains(&top) {
        true => Some(ORDER.len()),
        false => ORDER.iter().position(|name| *name == top),
    }
}

#[test]
fn imports_run_down_the_list() {
    let modules = modules();
    let (edges, mut wrong) = edges(&modules);
    for (module, targets) in &edges {
        if DOCUMENTATION.contains(&module.split("::").next().unwrap_or_default()) {
            continue;
        }
        let Some(from) = rank(module) else {
            wrong.push(format!("{module} is not in the list"));
            continue;
        };
        let upward = targets.iter().filter(|target| rank(target).is_none_or(|to| to < from));
        wrong.extend(upward.map(|target| format!("{module} imports upward, from {target}")));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(edges.values().map(BTreeSet::len).sum::<usize>() > 100, "the imports are not found");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    fn walk<'a>(
        at: &'a str,
        edges: &'a BTreeMap<String, BTreeSet<String>>,
        path: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> Option<String> {
        if let Some(begin) = path.iter().position(|module| *module == at) {
            return Some([&path[begin..], &[at]].concat().join(" → "));
        }
        if !done.contains(at) {
            path.push(at);
            let circle = edges.get(at).into_iter().flatten().find_map(|target| walk(target, edges, path, done));
            path.pop();
            done.insert(at);
            return circle;
        }
        None
    }
    let (edges, _) = edges(&modules());
    let mut done = BTreeSet::new();
    let circle = edges.keys().find_map(|module| walk(module, &edges, &mut Vec::new(), &mut done));
    assert_eq!(circle, None);
}

#[test]
fn no_file_is_longer_than_can_be_read() {
    for (module, code) in modules() {
        let lines = code.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with("//")).count();
        assert!(lines <= MAX_LINES, "{module} has {lines} lines");
        assert!(code.starts_with("//! "), "{module} does not say what lives there");
    }
}
