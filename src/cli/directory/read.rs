//! Reads an HSDS 3.0 directory: a folder with a CSV data package, or one JSON file.
//!
//! Both end as the same flat rows: what is nested in JSON becomes a row that names its parents, as in CSV.

use super::rows::{Place, Row, Skip, Tables};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

/// Longest file taken, in bytes: 64 MiB.
const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// The file of a data package that names the others.
const PACKAGE: &str = "datapackage.json";

/// Tables that say something which a referral is matched by.
pub(super) const TABLES: &[&str] = &[
    "accessibility",
    "addresses",
    "attributes",
    "languages",
    "locations",
    "organization_identifiers",
    "organizations",
    "phones",
    "required_documents",
    "schedules",
    "service_areas",
    "service_at_location",
    "services",
    "taxonomy_terms",
];

/// Why nothing was read. The files are the caller's own, so they may be shown.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadError {
    #[error("{file}: {cause}")]
    Io {
        file: PathBuf,
        cause: std::io::Error,
    },
    #[error("{0} is longer than 64 MiB: split the directory and import the parts one by one")]
    Long(PathBuf),
    #[error("more than {max} rows: split the directory and import the parts one by one", max = Tables::ROWS_MAX)]
    Rows,
    #[error("{file}: {cause}; give a .json file of HSDS 3.0, or the folder of a CSV data package")]
    Json {
        file: PathBuf,
        cause: serde_json::Error,
    },
    #[error(
        "{0} holds no services.csv: give the folder of an HSDS 3.0 data package, or one .json file"
    )]
    NoPackage(PathBuf),
}

/// Everything in `path`, and what could not be read of it.
pub(super) fn read(path: &Path) -> Result<(Tables, Vec<Skip>), ReadError> {
    let (mut tables, mut skipped) = (Tables::default(), Vec::new());
    if path.is_dir() {
        package(path, &mut tables, &mut skipped)?;
    } else {
        let text = file_bytes(path)?;
        let value: Value = serde_json::from_slice(&text).map_err(|cause| ReadError::Json {
            file: path.to_owned(),
            cause,
        })?;
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        tree(&name, &value, &mut tables, &mut skipped)?;
    }
    Ok((tables, skipped))
}

fn file_bytes(path: &Path) -> Result<Vec<u8>, ReadError> {
    let io = |cause| ReadError::Io {
        file: path.to_owned(),
        cause,
    };
    let file = std::fs::File::open(path).map_err(io)?;
    let mut bytes = Vec::new();
    // The length is what is read, not what the file system says of a file that grows or a pipe.
    file.take(FILE_BYTES_MAX + 1)
        .read_to_end(&mut bytes)
        .map_err(io)?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(ReadError::Long(path.to_owned()));
    }
    Ok(bytes)
}

fn package(folder: &Path, tables: &mut Tables, skipped: &mut Vec<Skip>) -> Result<(), ReadError> {
    let mut files: Vec<(String, PathBuf)> = Vec::new();
    let listing = folder.join(PACKAGE);
    let listed: Option<Value> = match listing.exists() {
        true => serde_json::from_slice(&file_bytes(&listing)?).ok(),
        false => None,
    };
    let resources = listed
        .as_ref()
        .and_then(|value| value.get("resources"))
        .and_then(Value::as_array);
    if let Some(resources) = resources {
        for (at, resource) in resources.iter().enumerate() {
            let place = Place(format!("{PACKAGE}#/resources/{at}"));
            let text = |key: &str| {
                resource
                    .get(key)
                    .and_then(Value::as_str)
                    .unwrap_or_default()
            };
            let (name, path) = (text("name"), Path::new(text("path")));
            let inside = !path.as_os_str().is_empty()
                && path
                    .components()
                    .all(|part| matches!(part, Component::Normal(_)));
            if !TABLES.contains(&name) {
                // Counted below with the tables that are not used.
                continue;
            } else if !inside {
                let why =
                    "a path that leaves the folder or is empty: the table is not read".to_owned();
                skipped.push(Skip { place, why });
            } else if !folder.join(path).is_file() {
                let why = format!("{} is not in the folder", path.display());
                skipped.push(Skip { place, why });
            } else {
                files.push((name.to_owned(), folder.join(path)));
            }
        }
    } else {
        let why = "no list of files there: they are taken by their usual names".to_owned();
        skipped.push(Skip {
            place: Place(PACKAGE.to_owned()),
            why,
        });
    }
    if files.is_empty() {
        for &name in TABLES {
            let file = folder.join(format!("{name}.csv"));
            if file.is_file() {
                files.push((name.to_owned(), file));
            }
        }
    }
    if !files.iter().any(|(name, _)| name == "services") {
        return Err(ReadError::NoPackage(folder.to_owned()));
    }
    for (name, file) in files {
        table(&name, &file, tables, skipped)?;
    }
    Ok(())
}

fn table(
    name: &str,
    file: &Path,
    tables: &mut Tables,
    skipped: &mut Vec<Skip>,
) -> Result<(), ReadError> {
    let bytes = file_bytes(file)?;
    let shown = file
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    let mut reader = csv::ReaderBuilder::new()
        .flexible(true)
        .from_reader(bytes.as_slice());
    let header = match reader.headers() {
        Ok(header) => header.clone(),
        Err(error) => {
            let why = format!("the table is not read: {}", plain(&error));
            skipped.push(Skip {
                place: Place(format!("{shown}:1")),
                why,
            });
            return Ok(());
        }
    };
    let mut record = csv::StringRecord::new();
    loop {
        let line = reader.position().line();
        match reader.read_record(&mut record) {
            Ok(false) => return Ok(()),
            Err(error) => {
                let line = error.position().map_or(line, |at| line_of(&bytes, at));
                let why = format!("the row is not read: {}", plain(&error));
                skipped.push(Skip {
                    place: Place(format!("{shown}:{line}")),
                    why,
                });
                if error.is_io_error() {
                    return Ok(());
                }
            }
            Ok(true) => {
                let line = record.position().map_or(line, |at| line_of(&bytes, at));
                let place = Place(format!("{shown}:{line}"));
                if record.len() != header.len() {
                    let why = format!(
                        "the row has {} columns, not {}: it is left out",
                        record.len(),
                        header.len()
                    );
                    skipped.push(Skip { place, why });
                    continue;
                }
                let named = header.iter().zip(record.iter());
                let values = named
                    .map(|(name, value)| (name.trim().to_owned(), value.to_owned()))
                    .collect();
                if !tables.push(name, Row { place, values }) {
                    return Err(ReadError::Rows);
                }
            }
        }
    }
}

/// The line that a row stands on. The reader takes a row to begin right behind the carriage return of the row before,
/// so that the line feed, and empty lines, are still ahead of it.
fn line_of(bytes: &[u8], at: &csv::Position) -> u64 {
    let from = usize::try_from(at.byte()).unwrap_or(usize::MAX);
    let ahead = bytes.get(from..).unwrap_or_default().iter();
    let ends = ahead.take_while(|byte| matches!(byte, b'\r' | b'\n'));
    let feeds = ends.filter(|byte| **byte == b'\n').count();
    at.line() + u64::try_from(feeds).unwrap_or_default()
}

/// What is wrong with a row, without repeating it.
fn plain(error: &csv::Error) -> &'static str {
    match error.kind() {
        csv::ErrorKind::Utf8 { .. } => "it is not UTF-8",
        csv::ErrorKind::UnequalLengths { .. } => "it has another number of columns",
        _ => "it is not CSV",
    }
}

/// What a nested name becomes: a table, and the column that names it in its children.
fn table_of(key: &str) -> Option<(&'static str, &'static str)> {
    Some(match key {
        "services" | "service" => ("services", "service_id"),
        "organizations" | "organization" => ("organizations", "organization_id"),
        "locations" | "location" => ("locations", "location_id"),
        "service_at_locations" | "service_at_location" => {
            ("service_at_location", "service_at_location_id")
        }
        "phones" => ("phones", "phone_id"),
        "contacts" => ("contacts", "contact_id"),
        "schedules" => ("schedules", "schedule_id"),
        "languages" => ("languages", "language_id"),
        "service_areas" => ("service_areas", "service_area_id"),
        "accessibility" => ("accessibility", "accessibility_id"),
        "addresses" => ("addresses", "address_id"),
        "required_documents" => ("required_documents", "required_document_id"),
        "attributes" => ("attributes", "link_id"),
        "taxonomy_term" => ("taxonomy_terms", "taxonomy_term_id"),
        "organization_identifiers" => ("organization_identifiers", "organization_identifier_id"),
        _ => return None,
    })
}

/// A JSON tree: an object, a list of them, or a page of a list.
fn tree(
    file: &str,
    value: &Value,
    tables: &mut Tables,
    skipped: &mut Vec<Skip>,
) -> Result<(), ReadError> {
    let (list, at) = match value {
        Value::Object(page) => match page.get("contents") {
            Some(Value::Array(contents)) => (contents.as_slice(), "/contents"),
            _ => (std::slice::from_ref(value), ""),
        },
        Value::Array(list) => (list.as_slice(), ""),
        _ => (std::slice::from_ref(value), ""),
    };
    let one = std::ptr::eq(list, std::slice::from_ref(value));
    for (number, item) in list.iter().enumerate() {
        let pointer = if one {
            String::new()
        } else {
            format!("{at}/{number}")
        };
        let Value::Object(object) = item else {
            let place = Place(format!("{file}#{pointer}"));
            let why = "not an object: left out".to_owned();
            skipped.push(Skip { place, why });
            continue;
        };
        let key = if object.contains_key("location_type") {
            "location"
        } else if object.contains_key("service") || object.contains_key("location") {
            "service_at_location"
        } else if object.contains_key("status") {
            "service"
        } else {
            "organization"
        };
        let mut walk = Walk {
            file,
            tables,
            skipped,
        };
        walk.object(key, item, &pointer, &BTreeMap::new())?;
    }
    Ok(())
}

struct Walk<'a> {
    file: &'a str,
    tables: &'a mut Tables,
    skipped: &'a mut Vec<Skip>,
}

impl Walk<'_> {
    fn object(
        &mut self,
        key: &str,
        value: &Value,
        pointer: &str,
        parents: &BTreeMap<String, String>,
    ) -> Result<(), ReadError> {
        let place = Place(format!("{}#{pointer}", self.file));
        let (Some((table, column)), Value::Object(object)) = (table_of(key), value) else {
            let why = format!("{key} is not as HSDS 3.0 has it: left out");
            self.skipped.push(Skip { place, why });
            return Ok(());
        };
        let mut values = parents.clone();
        for (name, value) in object {
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Number(number) => number.to_string(),
                Value::Bool(flag) => flag.to_string(),
                Value::Null | Value::Array(_) | Value::Object(_) => continue,
            };
            values.insert(name.clone(), text);
        }
        let id = values.get("id").cloned().unwrap_or_default();
        let mut inside = BTreeMap::new();
        // Only the nearest of kin name a row: a language of a phone is none of its service.
        if table == "service_at_location" {
            for parent in ["service_id", "location_id"] {
                if let Some(value) = values.get(parent) {
                    inside.insert(parent.to_owned(), value.clone());
                }
            }
        }
        inside.insert(column.to_owned(), id.clone());
        if table != "attributes" {
            inside.insert("link_id".to_owned(), id.clone());
        }
        // What hangs on the other side of a link is named in the row itself.
        for (other, name) in [
            ("service", "service_id"),
            ("location", "location_id"),
            ("organization", "organization_id"),
            ("taxonomy_term", "taxonomy_term_id"),
        ] {
            let linked = object
                .get(other)
                .and_then(|other| other.get("id"))
                .and_then(Value::as_str);
            if let Some(linked) = linked {
                values
                    .entry(name.to_owned())
                    .or_insert_with(|| linked.to_owned());
            }
        }
        if !self.tables.push(table, Row { place, values }) {
            return Err(ReadError::Rows);
        }
        for (name, child) in object {
            let pointer = format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
            match child {
                Value::Array(children) if table_of(name).is_some() => {
                    for (at, child) in children.iter().enumerate() {
                        self.object(name, child, &format!("{pointer}/{at}"), &inside)?;
                    }
                }
                Value::Object(_) if table_of(name).is_some() => {
                    self.object(name, child, &pointer, &inside)?;
                }
                Value::Array(children) if !children.is_empty() => {
                    for (at, child) in children.iter().enumerate() {
                        let place = Place(format!("{}#{pointer}/{at}", self.file));
                        let values = BTreeMap::new();
                        if child.is_object() && !self.tables.push(name, Row { place, values }) {
                            return Err(ReadError::Rows);
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }
}
