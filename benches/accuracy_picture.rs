//! The picture of the accuracy bench: a panel for each generator, the root mean square errors of r and
//! s on fresh rows by the number of training rows, as SVG.

use std::fmt::Write;

/// One row of the table.
pub struct Point {
    pub generator: String,
    pub warped: bool,
    pub rows: usize,
    /// Root mean square errors of r and of s, in nats.
    pub errors: [f64; 2],
}

const PANEL: [f64; 2] = [180.0, 150.0];
const MARGIN: [f64; 2] = [40.0, 34.0];
const COLUMNS: usize = 4;
/// The top of the panels, in nats; the ends of the axis of rows.
const TOP: f64 = 0.6;
const ROWS: [f64; 2] = [400.0, 25_000.0];
/// Of r and s.
const COLOURS: [&str; 2] = ["#1b6ca8", "#c8553d"];

/// Draws all points.
pub fn draw(points: &[Point]) -> String {
    let mut generators: Vec<&str> = Vec::new();
    for point in points {
        if !generators.contains(&point.generator.as_str()) {
            generators.push(&point.generator);
        }
    }
    let columns = generators.len().clamp(1, COLUMNS);
    let [width, height] = [0, 1].map(|side| PANEL[side] + MARGIN[side]);
    let size = [width * columns as f64 + 10.0, height * generators.len().div_ceil(COLUMNS) as f64 + 26.0];
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {} {}\" font-family=\"sans-serif\" font-size=\"10\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        size[0], size[1]
    );
    for (at, generator) in generators.iter().enumerate() {
        let left = width * (at % COLUMNS) as f64 + MARGIN[0];
        let top = height * (at / COLUMNS) as f64 + 18.0;
        let of_panel: Vec<&Point> = points.iter().filter(|point| point.generator == *generator).collect();
        panel(&mut svg, generator, &of_panel, [left, top]);
    }
    let y = size[1] - 8.0;
    let _ = writeln!(
        svg,
        "<text x=\"40\" y=\"{y}\">error in nats (root mean square) by training rows: <tspan fill=\"{}\">r</tspan>, \
         <tspan fill=\"{}\">s</tspan>; dashed: warped data</text>\n</svg>",
        COLOURS[0], COLOURS[1]
    );
    svg
}

fn panel(svg: &mut String, name: &str, points: &[&Point], [left, top]: [f64; 2]) {
    let x = |rows: f64| left + PANEL[0] * (rows / ROWS[0]).ln() / (ROWS[1] / ROWS[0]).ln();
    let y = |nats: f64| top + PANEL[1] * (1.0 - (nats / TOP).clamp(0.0, 1.0));
    let _ = writeln!(svg, "<text x=\"{left}\" y=\"{}\" font-weight=\"bold\">{name}</text>", top - 6.0);
    for nats in [0.0, 0.2, 0.4, 0.6] {
        let _ = writeln!(
            svg,
            "<path d=\"M{left} {y:.1}h{}\" stroke=\"#ddd\"/><text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{nats}</text>",
            PANEL[0],
            left - 4.0,
            y(nats) + 3.0,
            y = y(nats)
        );
    }
    for rows in [500.0, 2_000.0, 20_000.0] {
        let at = top + PANEL[1] + 12.0;
        let _ =
            writeln!(svg, "<text x=\"{:.1}\" y=\"{at:.1}\" text-anchor=\"middle\">{rows}</text>", x(rows));
    }
    for warped in [false, true] {
        for (part, colour) in COLOURS.iter().enumerate() {
            let line: Vec<[f64; 2]> = points
                .iter()
                .filter(|point| point.warped == warped)
                .map(|point| [x(point.rows as f64), y(point.errors[part])])
                .collect();
            let path: Vec<String> = line.iter().map(|[x, y]| format!("{x:.1},{y:.1}")).collect();
            let dashes = if warped { " stroke-dasharray=\"4 3\"" } else { "" };
            let _ = writeln!(
                svg,
                "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"{dashes}/>",
                path.join(" ")
            );
            for [x, y] in line {
                let _ = writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"2.2\" fill=\"{colour}\"/>");
            }
        }
    }
}
