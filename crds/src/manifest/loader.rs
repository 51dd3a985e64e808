//! Turns the parser's events into a JSON value and a tree of positions, within bounds that hold after aliases are expanded.

use saphyr_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};
use serde_json::{Map, Value};
use std::{
    borrow::Cow,
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use super::{
    Position, Positions, ReadError,
    position::{Place, Text},
    scalar,
    split::Part,
};

/// Deepest nesting of a document.
pub const DEPTH_MAX: usize = 64;
/// Most nodes of a document, every use of an alias counted with all it stands for.
pub const NODES_MAX: usize = 100_000;
/// Most bytes of text in a document, every use of an alias counted again.
pub const TEXT_BYTES_MAX: usize = 4 << 20;

/// The document's value and positions; `None` where it is empty.
pub(super) fn load(part: &Part<'_>) -> Result<Option<(Value, Positions)>, ReadError> {
    let loader = Loader { parser: Parser::new_from_str(part.text), anchors: HashMap::new(), cost: Cost::default() };
    let lines_before = part.first_line - 1;
    let in_file = |mut error: ReadError| {
        error.at.line += lines_before;
        error
    };
    let root = loader.document().map_err(in_file)?;
    Ok(root.filter(|node| !node.value.is_null()).map(|node| {
        let positions = Positions { source: part.text.into(), lines_before, root: node.place };
        (node.value, positions)
    }))
}

struct Loader<'a> {
    parser: Parser<'a, StrInput<'a>>,
    anchors: HashMap<usize, Node>,
    cost: Cost,
}

/// A value, where it stands, and what it costs to have it once more.
#[derive(Clone)]
struct Node {
    value: Value,
    place: Arc<Place>,
    cost: Cost,
}

#[derive(Clone, Copy, Default)]
struct Cost {
    nodes: usize,
    text_bytes: usize,
}

type Next<'a> = (Event<'a>, Position);

impl<'a> Loader<'a> {
    fn document(mut self) -> Result<Option<Node>, ReadError> {
        loop {
            let (event, at) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(None),
                Event::StreamStart | Event::DocumentStart(_) | Event::Nothing => {}
                event => return self.node((event, at), None, 0).map(Some),
            }
        }
    }

    fn next(&mut self) -> Result<Next<'a>, ReadError> {
        match self.parser.next_event() {
            Some(Ok((event, span))) => Ok((event, start(span))),
            Some(Err(error)) => Err(ReadError {
                at: Position { line: error.marker().line(), column: error.marker().col() + 1 },
                message: format!("not YAML: {}", error.info()),
            }),
            None => Err(ReadError { at: Position { line: 1, column: 1 }, message: "not YAML: the document ends early".into() }),
        }
    }

    /// The node that starts with this event, under the key that stands at `key`.
    fn node(&mut self, (event, at): Next<'a>, key: Option<Position>, depth: usize) -> Result<Node, ReadError> {
        if depth > DEPTH_MAX {
            return Err(ReadError { at, message: format!("nested deeper than {DEPTH_MAX} levels") });
        }
        let before = self.cost;
        let (anchor, value, place) = match event {
            Event::Alias(anchor) => return self.alias(anchor, at, key),
            Event::Scalar(text, style, anchor, tag) => {
                self.charge(1, text.len(), at)?;
                let value = scalar_value(&text, style, tag.as_deref(), at)?;
                let text = Text { content: text.as_ref().into(), is_literal: style == ScalarStyle::Literal };
                (anchor, value, Place { key, value: at, text: Some(text), fields: HashMap::new(), items: Vec::new() })
            }
            Event::SequenceStart(anchor, tag) => {
                refuse_tag(tag.as_ref(), "seq", at)?;
                self.charge(1, 0, at)?;
                let (value, items) = self.items(depth)?;
                (anchor, value, Place { key, value: at, text: None, fields: HashMap::new(), items })
            }
            Event::MappingStart(anchor, tag) => {
                refuse_tag(tag.as_ref(), "map", at)?;
                self.charge(1, 0, at)?;
                let (value, fields) = self.fields(depth)?;
                (anchor, value, Place { key, value: at, text: None, fields, items: Vec::new() })
            }
            _ => return Err(ReadError { at, message: "not YAML: a value is missing".into() }),
        };
        let cost = Cost { nodes: self.cost.nodes - before.nodes, text_bytes: self.cost.text_bytes - before.text_bytes };
        let node = Node { value, place: Arc::new(place), cost };
        if anchor != 0 {
            self.charge(cost.nodes, cost.text_bytes, at)?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn alias(&mut self, anchor: usize, at: Position, key: Option<Position>) -> Result<Node, ReadError> {
        let unknown = || ReadError { at, message: "this alias stands inside the node it names".into() };
        let cost = self.anchors.get(&anchor).ok_or_else(unknown)?.cost;
        self.charge(cost.nodes, cost.text_bytes, at)?;
        let named = self.anchors.get(&anchor).ok_or_else(unknown)?;
        // Deeper positions are those of the anchor: that is where the text is that a person has to change.
        let Place { text, fields, items, .. } = named.place.as_ref();
        let text = text.as_ref().map(|text| Text { content: text.content.clone(), is_literal: text.is_literal });
        let place = Place { key, value: at, text, fields: fields.clone(), items: items.clone() };
        Ok(Node { value: named.value.clone(), place: Arc::new(place), cost })
    }

    fn items(&mut self, depth: usize) -> Result<(Value, Vec<Arc<Place>>), ReadError> {
        let (mut values, mut places) = (Vec::new(), Vec::new());
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok((Value::Array(values), places)),
                next => {
                    let node = self.node(next, None, depth + 1)?;
                    values.push(node.value);
                    places.push(node.place);
                }
            }
        }
    }

    fn fields(&mut self, depth: usize) -> Result<(Value, HashMap<String, Arc<Place>>), ReadError> {
        let (mut values, mut places, mut merged) = (Map::new(), HashMap::new(), Vec::new());
        loop {
            let (event, at) = self.next()?;
            let (name, style) = match event {
                Event::MappingEnd => break,
                Event::Scalar(text, style, ..) => (text.into_owned(), style),
                _ => return Err(ReadError { at, message: "a key is plain text: no lists, mappings or aliases".into() }),
            };
            self.charge(0, name.len(), at)?;
            let next = self.next()?;
            let node = self.node(next, Some(at), depth + 1)?;
            if name == "<<" && style == ScalarStyle::Plain {
                merged.push((at, node));
                continue;
            }
            match places.entry(name.clone()) {
                Entry::Occupied(_) => return Err(ReadError { at, message: format!("key {name:?} is there twice") }),
                Entry::Vacant(place) => place.insert(node.place),
            };
            values.insert(name, node.value);
        }
        for (at, node) in merged {
            merge(&mut values, &mut places, &node, at)?;
        }
        Ok((Value::Object(values), places))
    }

    fn charge(&mut self, nodes: usize, text_bytes: usize, at: Position) -> Result<(), ReadError> {
        self.cost.nodes += nodes;
        self.cost.text_bytes += text_bytes;
        if self.cost.nodes > NODES_MAX || self.cost.text_bytes > TEXT_BYTES_MAX {
            let message = format!("the document, with its aliases written out, passes {NODES_MAX} nodes or {TEXT_BYTES_MAX} bytes of text");
            return Err(ReadError { at, message });
        }
        Ok(())
    }
}

/// What `<<` brings in: fields that the mapping does not have itself; of a list, the earlier mapping wins.
fn merge(values: &mut Map<String, Value>, places: &mut HashMap<String, Arc<Place>>, node: &Node, at: Position) -> Result<(), ReadError> {
    let not_a_mapping = || ReadError { at, message: "<< takes a mapping or a list of mappings".into() };
    let mut one = |value: &Value, place: &Place| {
        for (name, value) in value.as_object().ok_or_else(not_a_mapping)? {
            if !values.contains_key(name) {
                values.insert(name.clone(), value.clone());
                places.extend(place.fields.get(name).map(|place| (name.clone(), place.clone())));
            }
        }
        Ok(())
    };
    match &node.value {
        Value::Array(items) => items.iter().zip(&node.place.items).try_for_each(|(value, place)| one(value, place)),
        value => one(value, &node.place),
    }
}

fn scalar_value(text: &str, style: ScalarStyle, tag: Option<&Tag>, at: Position) -> Result<Value, ReadError> {
    match tag {
        Some(tag) if tag.is_yaml_core_schema() => {
            scalar::tagged(&tag.suffix, text).ok_or_else(|| ReadError { at, message: format!("!!{} does not fit this value", tag.suffix) })
        }
        Some(tag) => Err(ReadError { at, message: format!("tag {tag} is not known") }),
        None if style == ScalarStyle::Plain => Ok(scalar::plain(text)),
        None => Ok(Value::String(text.into())),
    }
}

fn refuse_tag(tag: Option<&Cow<'_, Tag>>, allowed: &str, at: Position) -> Result<(), ReadError> {
    match tag {
        Some(tag) if !(tag.is_yaml_core_schema() && tag.suffix == allowed) => {
            Err(ReadError { at, message: format!("tag {tag} is not known") })
        }
        _ => Ok(()),
    }
}

fn start(span: Span) -> Position {
    Position { line: span.start.line().max(1), column: span.start.col() + 1 }
}
