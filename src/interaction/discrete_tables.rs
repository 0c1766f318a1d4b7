//! Tests on discrete distributions: exact values, h = −log p(x_m), in bits.

use super::{Interaction, Pointwise, decompose};

/// p(x1, x2, y) as a list of outcomes.
type Table = Vec<((u8, u8, u8), f64)>;

/// y a function of (x1, x2), each pair equally likely.
fn fair(pairs: &[(u8, u8)], y: impl Fn(u8, u8) -> u8) -> Table {
    pairs.iter().map(|&(a, b)| ((a, b, y(a, b)), 1.0 / pairs.len() as f64)).collect()
}

const BITS: [(u8, u8); 4] = [(0, 0), (0, 1), (1, 0), (1, 1)];
const COPIES: [(u8, u8); 2] = [(0, 0), (1, 1)];

/// Every outcome's decomposition and the means, in bits.
fn decomposed(table: &Table) -> (Vec<((u8, u8), Interaction)>, Interaction, [f64; 3]) {
    let p = |matches: &dyn Fn(&(u8, u8, u8)) -> bool| -> f64 {
        table.iter().filter(|(outcome, _)| matches(outcome)).map(|(_, p)| p).sum()
    };
    let mut rows = Vec::new();
    let mut mean = Interaction::default();
    let mut information = [0.0; 3];
    for &((a, b, y), weight) in table {
        let p1 = p(&|o| o.0 == a);
        let p2 = p(&|o| o.1 == b);
        let p12 = p(&|o| (o.0, o.1) == (a, b));
        let py = p(&|o| o.2 == y);
        let point = Pointwise {
            i1: (p(&|o| (o.0, o.2) == (a, y)) / p1).log2() - py.log2(),
            i2: (p(&|o| (o.1, o.2) == (b, y)) / p2).log2() - py.log2(),
            i12: (weight / p12).log2() - py.log2(),
            h1: -p1.log2(),
            h2: -p2.log2(),
        };
        let t = decompose(point);
        rows.push(((a, b), t));
        mean.r += weight * t.r;
        mean.u1 += weight * t.u1;
        mean.u2 += weight * t.u2;
        mean.s += weight * t.s;
        for (sum, i) in information.iter_mut().zip([point.i1, point.i2, point.i12]) {
            *sum += weight * i;
        }
    }
    (rows, mean, information)
}

fn assert_close(got: [f64; 4], expected: [f64; 4], tolerance: f64, what: &str) {
    for (got_one, expected_one) in got.iter().zip(&expected) {
        assert!((got_one - expected_one).abs() < tolerance, "{what}: {got:?} for {expected:?}");
    }
}

fn values(t: Interaction) -> [f64; 4] {
    [t.r, t.u1, t.u2, t.s]
}

fn rdn_err() -> Table {
    vec![((0, 0, 0), 0.375), ((1, 1, 1), 0.375), ((0, 1, 0), 0.125), ((1, 0, 1), 0.125)]
}

fn pw_unq() -> Table {
    fair(&[(0, 1), (1, 0), (0, 2), (2, 0)], |a, b| a + b)
}

#[test]
fn means_are_the_tables() {
    // The table prints six decimals; H is its .811278 in full, the entropy of a quarter.
    let h = 2.0 - 0.75 * 3f64.log2();
    let and_i = h - 0.5;
    let tables: [(&str, Table, [f64; 3], [f64; 4]); 11] = [
        ("xor", fair(&BITS, |a, b| a ^ b), [0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 1.0]),
        ("rdn", fair(&COPIES, |a, _| a), [1.0, 1.0, 1.0], [1.0, 0.0, 0.0, 0.0]),
        ("unq", fair(&BITS, |a, b| 2 * a + b), [1.0, 1.0, 2.0], [1.0, 0.0, 0.0, 1.0]),
        ("y = x1, x2 fair", fair(&BITS, |a, _| a), [1.0, 0.0, 1.0], [1.0, 0.0, -1.0, 1.0]),
        ("y = x1, x2 constant", fair(&[(0, 0), (1, 0)], |a, _| a), [1.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0]),
        ("and", fair(&BITS, |a, b| a & b), [and_i, and_i, h], [and_i + 0.25, -0.25, -0.25, 0.75]),
        ("or", fair(&BITS, |a, b| a | b), [and_i, and_i, h], [and_i + 0.25, -0.25, -0.25, 0.75]),
        ("sum", fair(&BITS, |a, b| a + b), [0.5, 0.5, 1.5], [0.5, 0.0, 0.0, 1.0]),
        ("pwunq", pw_unq(), [0.5, 0.5, 1.0], [0.0, 0.5, 0.5, 0.0]),
        ("rdnerr", rdn_err(), [1.0, 1.0 - h, 1.0], [1.0, 0.0, -h, h]),
        ("y = x2, x1 fair", fair(&BITS, |_, b| b), [0.0, 1.0, 1.0], [1.0, -1.0, 0.0, 1.0]),
    ];
    assert!((h - 0.811278).abs() < 1e-6 && (and_i + 0.25 - 0.561278).abs() < 1e-6);
    for (name, table, expected_i, expected) in tables {
        let (_, mean, i) = decomposed(&table);
        assert_close(values(mean), expected, 1e-12, name);
        assert_close(
            [i[0], i[1], i[2], 0.0],
            [expected_i[0], expected_i[1], expected_i[2], 0.0],
            1e-12,
            name,
        );
    }
}

#[test]
fn pointwise_values_are_the_tables() {
    let l = (4.0f64 / 3.0).log2();
    let all = |expected: [f64; 4]| move |_: (u8, u8)| expected;
    let check = |name: &str, table: Table, expected: &dyn Fn((u8, u8)) -> [f64; 4]| {
        for (x, t) in decomposed(&table).0 {
            assert_close(values(t), expected(x), 1e-12, &format!("{name} {x:?}"));
        }
    };
    check("xor", fair(&BITS, |a, b| a ^ b), &all([0.0, 0.0, 0.0, 1.0]));
    check("rdn", fair(&COPIES, |a, _| a), &all([1.0, 0.0, 0.0, 0.0]));
    check("unq", fair(&BITS, |a, b| 2 * a + b), &all([1.0, 0.0, 0.0, 1.0]));
    check("and", fair(&BITS, |a, b| a & b), &|x| match x {
        (0, 0) => [l, 0.0, 0.0, 0.0],
        (0, _) => [l, 0.0, -1.0, 1.0],
        (_, 0) => [l, -1.0, 0.0, 1.0],
        _ => [1.0, 0.0, 0.0, 1.0],
    });
    check("pwunq", pw_unq(), &|x| if x.0 == 0 { [0.0, 0.0, 1.0, 0.0] } else { [0.0, 1.0, 0.0, 0.0] });
    check("rdnerr", rdn_err(), &|x| if x.0 == x.1 { [1.0, 0.0, -l, l] } else { [1.0, 0.0, -2.0, 2.0] });
}
