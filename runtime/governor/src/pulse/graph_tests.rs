use proptest::prelude::*;

use super::*;

fn entries(list: &[(usize, usize, f64)]) -> Vec<Entry> {
    let entry = |&(from, to, number): &(usize, usize, f64)| Entry { from, to, number };
    list.iter().map(entry).collect()
}

fn is_near(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= 1e-3 * expected.max(1.0)
}

#[test]
fn known_matrices_have_their_spectral_radius() {
    for (list, expected, cycle) in [
        (vec![(0, 0, 2.0)], 2.0, vec![0]),
        // Ping and pong: eigenvalues 2 and -2.
        (vec![(0, 1, 4.0), (1, 0, 1.0)], 2.0, vec![0, 1]),
        // What leads to a cycle, and what hangs on it, is no part of it.
        (
            vec![(0, 1, 50.0), (1, 1, 0.5), (1, 2, 50.0), (2, 3, 9.0)],
            0.5,
            vec![1],
        ),
        // The stronger of two cycles, though the other is fed by it.
        (vec![(0, 0, 2.0), (0, 1, 0.1), (1, 1, 1.9)], 2.0, vec![0]),
        // Fibonacci's: the golden ratio.
        (
            vec![(0, 0, 1.0), (0, 1, 1.0), (1, 0, 1.0)],
            1.618_034,
            vec![0],
        ),
        // A long cycle of unequal steps: their geometric mean.
        (
            (0..40)
                .map(|at| (at, (at + 1) % 40, if at % 2 == 0 { 8.0 } else { 0.5 }))
                .collect(),
            2.0,
            vec![],
        ),
    ] {
        let found = dominant(41, &entries(&list)).unwrap();
        assert!(is_near(found.number, expected), "{list:?}: {found:?}");
        if !cycle.is_empty() {
            let mut turn = found.cycle.clone();
            turn.sort_unstable();
            assert_eq!(turn, cycle, "{list:?}");
        }
    }
    let no_cycle = entries(&[(0, 1, 9.0), (1, 2, 9.0), (0, 2, 9.0)]);
    assert_eq!(dominant(3, &no_cycle), None);
}

/// Dense powers, with norms: another way to the same number.
fn by_powers(nodes: usize, entries: &[Entry]) -> f64 {
    let mut power = vec![vec![0.0_f64; nodes]; nodes];
    for entry in entries {
        power[entry.to][entry.from] += entry.number;
    }
    let (mut log, mut exponent) = (0.0, 1.0_f64);
    for _ in 0..24 {
        let norm = power.iter().flatten().fold(0.0_f64, |a, b| a.max(*b));
        if norm == 0.0 {
            return 0.0;
        }
        log += norm.ln() / exponent;
        for value in power.iter_mut().flatten() {
            *value /= norm;
        }
        let square = |row: usize, column: usize| {
            let terms = (0..nodes).map(|at| power[row][at] * power[at][column]);
            terms.sum::<f64>()
        };
        power = (0..nodes)
            .map(|row| (0..nodes).map(|column| square(row, column)).collect())
            .collect();
        exponent *= 2.0;
    }
    log.exp()
}

proptest! {
    /// Never more than the true number, and close to it.
    #[test]
    fn it_is_what_powers_of_the_matrix_say(
        list in prop::collection::btree_map((0usize..6, 0usize..6), 0.01f64..5.0, 1..20),
    ) {
        let list: Vec<_> = list.into_iter().map(|((a, b), k)| (a, b, k)).collect();
        let entries = entries(&list);
        let expected = by_powers(6, &entries);
        let found = dominant(6, &entries);
        let number = found.as_ref().map_or(0.0, |found| found.number);
        prop_assert!(number <= expected * 1.000_01, "{number} {expected}");
        prop_assert!(number >= expected * 0.98, "{number} {expected}");
        if let Some(found) = found {
            let turn = found.cycle;
            prop_assert!(!turn.is_empty());
            for (at, next) in turn.iter().zip(turn.iter().cycle().skip(1)) {
                prop_assert_eq!(entries[*at].to, entries[*next].from);
            }
        }
    }
}
