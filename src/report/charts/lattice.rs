//! The redundancy lattice of three modalities: a box for every combination of modalities that the label
//! can be known from, with its mean atom. The most redundant combination is on top, and lines lead down to
//! those that need more. On a phone the boxes stand below each other, without lines.

use plotters_backend::text_anchor::HPos;

use crate::error::Result;
use crate::interaction::Subset;
use crate::interaction::lattice::{Antichain, Lattice};
use crate::report::format::{fixed, number};
use crate::report::modality_sets::{combination, together};
use crate::report::numbers::{Dataset, Figure, Report};
use crate::report::parts::{Atoms, unique_name};

use super::marks::{LineMark, RectMark, TextMark};
use super::picture::{FULL, PHONE, Picture, rows_suffix, title_suffix};
use super::svg::{DrawResult, SvgArea, draw, px, text_width, truncate_to_width};

/// The number of modalities whose lattice is drawn: that of four has 166 nodes.
const MODALITIES: usize = 3;

/// The kinds of nodes from the most redundant: a kind in words, and how many modalities each of the sets
/// of its nodes has.
const KINDS: [(&str, &[usize]); 8] = [
    ("any one suffices", &[1, 1, 1]),
    ("either of two", &[1, 1]),
    ("one, or the others together", &[1, 2]),
    ("one alone", &[1]),
    ("any two together", &[2, 2, 2]),
    ("one, with either other", &[2, 2]),
    ("two together", &[2]),
    ("all three together", &[3]),
];
/// The kind that stands beside the one above it, of the same rank.
const BESIDE: usize = 4;

/// Pixels of the wide picture: the column of headings, a box and the gaps between boxes.
const HEADINGS: i32 = 190;
const BOX: i32 = 200;
const GAP: i32 = 22;
const GAP_BELOW: i32 = 40;
/// Pixels of a line of text, and around the text of a box.
const LINE: i32 = 16;
const PADDING: i32 = 8;
/// Pixels of the number in a box of the narrow picture.
const NUMBER: i32 = 100;

/// The picture, of complete rows; `None` of other numbers of modalities, and of files without atoms or
/// without such rows.
pub(super) fn picture(set: &Dataset, report: &Report, name: &str) -> Result<Option<Picture>> {
    let Some(atoms) = set.atoms.as_ref().filter(|atoms| is_drawn(set, atoms)) else {
        return Ok(None);
    };
    let largest = largest_mean(report);
    let names = set.modalities();
    let nodes: Vec<Node> =
        atoms.each().map(|(node, figure)| Node::new(&names, node, figure, largest)).collect();
    let (rows, of) = (rows_suffix(set), title_suffix(set, report));
    let title = format!("Information by combination of modalities{rows}{of}");
    let sentences = nodes.iter().map(|node| format!("{}: {}.", node.words, node.number));
    let description = sentences.collect::<Vec<_>>().join(" ");
    Picture::new(name, (FULL, PHONE), (title, description), |id, width, said| {
        if width == FULL {
            let places = places(&nodes);
            let height = places.iter().map(|place| place.y + place.height).max().unwrap_or(0) + 1;
            draw(id, (width, height), said, |area| wide(area, &nodes, &places, atoms))
        } else {
            draw(id, (width, narrow_height(&nodes, width)), said, |area| narrow(area, &nodes, width))
        }
    })
    .map(Some)
}

fn is_drawn(set: &Dataset, atoms: &Atoms<Figure>) -> bool {
    atoms.modalities() == MODALITIES && (set.complete_rows() > 0 || set.reduced_rows == 0)
}

/// The largest absolute mean of any node in either data set, drawn at full opacity.
fn largest_mean(report: &Report) -> f64 {
    let sets = std::iter::once(&report.data).chain(&report.compare).filter_map(|set| set.atoms.as_ref());
    let figures = sets.flat_map(Atoms::each).map(|(_, figure)| figure.mean_nats.unwrap_or(0.0).abs());
    figures.fold(1e-9, f64::max)
}

/// What a box shows of a node.
struct Node {
    /// Its position among the kinds.
    kind: usize,
    /// The combination: its sets with "or" between them.
    words: String,
    /// The words of each of its sets: its modalities.
    sets: Vec<(String, Vec<String>)>,
    number: String,
    mean: f64,
    class: &'static str,
    opacity: f64,
}

impl Node {
    fn new(names: &[String], node: &Antichain, figure: &Figure, largest: f64) -> Self {
        let sizes: Vec<usize> = node.sets().iter().map(|set| set.len()).collect();
        let mean = figure.mean_nats.unwrap_or(0.0);
        let error = figure.std_error_nats.map(|error| format!(" ± {}", fixed(error, 3))).unwrap_or_default();
        let set_words = |set: &Subset| {
            let members = set.members().filter_map(|index| names.get(index).cloned());
            (together(names, *set), members.collect())
        };
        Self {
            kind: KINDS.iter().position(|(_, of_kind)| *of_kind == sizes).unwrap_or(0),
            words: combination(names, node),
            sets: node.sets().iter().map(set_words).collect(),
            number: format!("{}{error}", number(figure.mean_nats, 3)),
            mean,
            class: if mean < 0.0 { "negative" } else { class(node) },
            // Sublinear, because one large atom would make all others too pale.
            opacity: 0.62 * (mean.abs() / largest).clamp(0.0, 1.0).powf(0.7),
        }
    }

    /// Its words in lines of a width in pixels: in one if it fits, else each set in one, and each
    /// modality of a set that does not fit.
    fn lines(&self, width: f64) -> Vec<String> {
        if text_width(&self.words) <= width {
            return vec![self.words.clone()];
        }
        let mut lines = Vec::new();
        for (at, (words, members)) in self.sets.iter().enumerate() {
            let or = if at > 0 { "or " } else { "" };
            if text_width(&format!("{or}{words}")) <= width {
                lines.push(format!("{or}{words}"));
                continue;
            }
            for (at, member) in members.iter().enumerate() {
                let before = if at > 0 { "+ " } else { or };
                lines.push(format!("{before}{}", truncate_to_width(member, width - text_width(before))));
            }
        }
        lines
    }

    fn tip(&self) -> String {
        let bits = fixed(self.mean / std::f64::consts::LN_2, 3);
        format!("{}: {} nats, {bits} bits", self.words, self.number)
    }
}

/// Style class of a node: the colour of its column among r, u1, u2, u3 and s, else a common one.
fn class(node: &Antichain) -> &'static str {
    let is_bottom = node.sets().len() == MODALITIES && node.sets().iter().all(|set| set.len() == 1);
    match node.single() {
        _ if is_bottom => "r",
        Some(set) if set.len() == MODALITIES => "s",
        Some(set) if set.len() == 1 => set.members().next().and_then(unique_name).unwrap_or("rows"),
        _ => "rows",
    }
}

/// The sum of the means of a kind.
fn sum(nodes: &[Node], kind: usize) -> String {
    let means = nodes.iter().filter(|node| node.kind == kind).map(|node| node.mean);
    fixed(means.sum(), 3)
}

/// Where a box is, in pixels.
struct Place {
    x: i32,
    y: i32,
    width: i32,
    height: i32,
    lines: Vec<String>,
}

/// The boxes of the wide picture: a rank in a line, its nodes in columns; the first and the last over all
/// three.
fn places(nodes: &[Node]) -> Vec<Place> {
    let mut y = 0;
    let mut all = Vec::new();
    let mut of_rank = 0;
    for kind in 0..KINDS.len() {
        let of_kind: Vec<&Node> = nodes.iter().filter(|node| node.kind == kind).collect();
        let is_beside = kind == BESIDE;
        let width = if of_kind.len() == 1 && !is_beside { 3 * BOX + 2 * GAP } else { BOX };
        let lines: Vec<Vec<String>> =
            of_kind.iter().map(|node| node.lines(f64::from(width - 2 * PADDING))).collect();
        let most = lines.iter().map(Vec::len).max().unwrap_or(1) as i32;
        let height = 2 * PADDING + (most + 1) * LINE;
        if !is_beside {
            y += of_rank;
            of_rank = height + GAP_BELOW;
        } else {
            of_rank = of_rank.max(height + GAP_BELOW);
        }
        for (column, lines) in lines.into_iter().enumerate() {
            let column = if is_beside { 3 } else { column as i32 };
            all.push(Place { x: HEADINGS + column * (BOX + GAP), y, width, height, lines });
        }
    }
    all
}

fn wide(area: &SvgArea<'_>, nodes: &[Node], places: &[Place], atoms: &Atoms<Figure>) -> DrawResult {
    lines_between(area, places, atoms)?;
    let mut last = None;
    for (node, place) in nodes.iter().zip(places) {
        if last != Some(node.kind) {
            heading(area, nodes, node.kind, place)?;
            last = Some(node.kind);
        }
        boxed(area, node, place)?;
        for (line, text) in place.lines.iter().enumerate() {
            words(
                area,
                (place.x + PADDING, place.y + PADDING + line as i32 * LINE),
                text.clone(),
                "value",
                HPos::Left,
            )?;
        }
        let at = (place.x + place.width - PADDING, place.y + place.height - PADDING - LINE);
        words(area, at, node.number.clone(), "heading", HPos::Right)?;
    }
    Ok(())
}

/// The lines between neighbours. They are drawn first, so that boxes cover their ends.
fn lines_between(area: &SvgArea<'_>, places: &[Place], atoms: &Atoms<Figure>) -> DrawResult {
    let Ok(lattice) = Lattice::of(atoms.modalities()) else { return Ok(()) };
    for cover in lattice.covers() {
        let (Some(upper), Some(lower)) = (places.get(cover.lower), places.get(cover.upper)) else { continue };
        // Over several columns a line stands above or below its other end.
        let middle = |one: &Place, other: &Place| {
            let of = if one.width > BOX { other } else { one };
            px(of.x) + px(of.width) / 2
        };
        let points =
            vec![(middle(upper, lower), px(upper.y + upper.height)), (middle(lower, upper), px(lower.y))];
        area.draw(&LineMark { points, class: "edge" })?;
    }
    Ok(())
}

/// The words of a kind and the sum of its nodes, left of them; above the one that stands beside others.
fn heading(area: &SvgArea<'_>, nodes: &[Node], kind: usize, place: &Place) -> DrawResult {
    let (text, _) = KINDS.get(kind).copied().unwrap_or_default();
    let sum = sum(nodes, kind);
    if kind == BESIDE {
        return words(
            area,
            (place.x + place.width, place.y - LINE - 2),
            text.to_owned(),
            "label",
            HPos::Right,
        );
    }
    words(area, (0, place.y + PADDING), text.to_owned(), "label", HPos::Left)?;
    let is_one = nodes.iter().filter(|node| node.kind == kind).count() == 1;
    if is_one {
        Ok(())
    } else {
        words(area, (0, place.y + PADDING + LINE), format!("sum {sum}"), "label", HPos::Left)
    }
}

fn boxed(area: &SvgArea<'_>, node: &Node, place: &Place) -> DrawResult {
    let points = [(px(place.x), px(place.y)), (px(place.x + place.width), px(place.y + place.height))];
    area.draw(&RectMark { points, class: "box", opacity: 1.0, tip: String::new() })?;
    area.draw(&RectMark { points, class: node.class, opacity: node.opacity, tip: node.tip() })
}

/// A line of text below a point.
fn words(
    area: &SvgArea<'_>,
    (x, y): (i32, i32),
    text: String,
    class: &'static str,
    anchor: HPos,
) -> DrawResult {
    area.draw(&TextMark { point: (px(x), px(y + LINE / 2)), text, class, anchor, offset_px: (0.0, 0.0) })
}

/// The lines of a node in the narrow picture.
fn narrow_lines(node: &Node, width: i32) -> Vec<String> {
    node.lines(f64::from(width - 2 * PADDING - NUMBER))
}

fn narrow_box(node: &Node, width: i32) -> i32 {
    narrow_lines(node, width).len() as i32 * LINE + PADDING
}

/// Pixels between two boxes, and of a heading.
const BETWEEN: i32 = 4;
const HEADING: i32 = 26;

fn narrow_height(nodes: &[Node], width: i32) -> i32 {
    let boxes: i32 = nodes.iter().map(|node| narrow_box(node, width) + BETWEEN).sum();
    boxes + KINDS.len() as i32 * HEADING
}

fn narrow(area: &SvgArea<'_>, nodes: &[Node], width: i32) -> DrawResult {
    let mut y = 0;
    for (kind, (text, _)) in KINDS.iter().enumerate() {
        words(area, (0, y + HEADING - LINE - 4), (*text).to_owned(), "label", HPos::Left)?;
        y += HEADING;
        for node in nodes.iter().filter(|node| node.kind == kind) {
            let lines = narrow_lines(node, width);
            let height = narrow_box(node, width);
            boxed(area, node, &Place { x: 0, y, width, height, lines: Vec::new() })?;
            for (line, text) in lines.into_iter().enumerate() {
                words(area, (PADDING, y + PADDING / 2 + line as i32 * LINE), text, "value", HPos::Left)?;
            }
            words(area, (width - PADDING, y + PADDING / 2), node.number.clone(), "heading", HPos::Right)?;
            y += height + BETWEEN;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nodes(names: [&str; 3]) -> Vec<Node> {
        let names = names.map(str::to_owned);
        let figure = |node: usize| Figure {
            mean_nats: Some(0.1 * node as f64 - 0.2),
            std_error_nats: Some(0.01),
            ..Figure::default()
        };
        let atoms = Atoms::new(3, (0..18).map(figure));
        atoms.each().map(|(node, figure)| Node::new(&names, node, figure, 1.5)).collect()
    }

    #[test]
    fn every_node_has_its_kind_and_its_colour() {
        let nodes = nodes(["image", "text", "audio"]);
        let kinds: Vec<usize> = nodes.iter().map(|node| node.kind).collect();
        assert_eq!(kinds, [0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 5, 5, 5, 6, 6, 6, 7]);
        let classes: Vec<&str> = nodes.iter().map(|node| node.class).collect();
        assert_eq!(classes[..3], ["negative", "negative", "rows"]);
        assert_eq!(classes[7..10], ["u1", "u2", "u3"]);
        assert_eq!(classes[17], "s");
        assert_eq!(nodes[4].words, "image or text + audio");
        assert_eq!((nodes[4].number.as_str(), sum(&nodes, 2)), ("0.200 ± 0.010", "0.900".to_owned()));
    }

    #[test]
    fn boxes_do_not_meet_and_hold_their_lines() {
        for names in
            [["image", "text", "audio"], ["a_rather_long_name_of_a_column", "text_embedding", "層の名前の列"]]
        {
            let nodes = nodes(names);
            let places = places(&nodes);
            assert_eq!(places.len(), 18);
            for (at, one) in places.iter().enumerate() {
                assert!(
                    one.x + one.width <= FULL
                        && 2 * PADDING + (one.lines.len() as i32 + 1) * LINE <= one.height
                );
                let width = f64::from(one.width - 2 * PADDING);
                assert!(one.lines.iter().all(|line| text_width(line) <= width + 0.5), "{:?}", one.lines);
                for other in &places[at + 1..] {
                    let is_apart = one.x + one.width < other.x
                        || other.x + other.width < one.x
                        || one.y + one.height < other.y;
                    assert!(is_apart, "{:?} {:?}", one.lines, other.lines);
                }
            }
        }
    }
}
