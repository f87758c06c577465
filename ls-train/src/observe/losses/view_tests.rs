//! Tests of the whole screen.

use ls_core::figure::{Figures, SplitName};
use ls_core::fit::{ACCURACY, ORIGINAL_LOSS, SEPARATED_LOSS, SweepProgress};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::super::testing::{record, running, state_of};
use super::*;

const SIZES: [(u16, u16); 8] = [
    (80, 24),
    (160, 45),
    (20, 5),
    (1, 1),
    (34, 9),
    (200, 12),
    (35, 60),
    (110, 24),
];

fn screen(state: &State, (width, height): (u16, u16)) -> String {
    let mut terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
    let elapsed = Duration::from_secs(3725);
    let drawn = terminal.draw(|frame| draw(state, elapsed, frame.area(), frame.buffer_mut()));
    drawn.unwrap();
    let rows = terminal.backend().buffer().content.chunks(width.into());
    let rows = rows.map(|row| row.iter().map(ratatui::buffer::Cell::symbol).collect());
    rows.collect::<Vec<String>>().join("\n")
}

fn assert_shows(screen: &str, words: &[&str]) {
    for word in words {
        assert!(screen.contains(word), "{word} is missing on\n{screen}");
    }
}

#[test]
fn a_terminal_shows_all_losses_residuals_figures_and_progress() {
    for hidden in [1, 3, 30, 100] {
        for size in [(80, 24), (160, 45)] {
            let shown = screen(&running(hidden, 12), size);
            let words = [
                "exact on digits",
                // 2.3 / 1.3^12, and 1.4 and 1.9 times it.
                "0.09872",
                "0.13821",
                "0.18757",
                "F ",
                "C ",
                "S ",
                "test",
                "sweep 0",
                "Residuals by stage",
                "Train accuracy",
                "75.00%",
                "Test accuracy",
                "S/F",
                "1.90000",
                "0.12500",
                "long",
                "sweep 12 of 40",
                "1:02:05 elapsed",
                "q or Ctrl-C",
            ];
            assert_shows(&shown, &words);
            assert!(!shown.contains("Condition"), "{shown}");
        }
    }
}

#[test]
fn powers_of_ten_stand_at_the_axis() {
    let shown = screen(&running(3, 12), (80, 24));
    let labels: Vec<&str> = shown
        .lines()
        .filter_map(|line| line.split_once('┤')?.0.split_whitespace().last())
        .collect();
    assert_eq!(labels, ["1", "0.1"]);
}

#[test]
fn the_names_at_the_ends_of_the_lines_are_in_the_order_of_their_values() {
    for (width, height) in [(80, 24), (160, 45)] {
        let shown = screen(&running(3, 30), (width, height));
        // The last word within the frame of the chart, below the legend.
        let chart = shown.lines().skip(3);
        let rows =
            chart.filter_map(|line| line.split(['│', '┤']).nth(2)?.split_whitespace().last());
        let rows = rows.filter(|word| ["F", "C", "S", "test"].contains(word));
        // The test loss stays above 0.1.
        let ends: Vec<&str> = rows.collect();
        assert_eq!(ends, ["test", "S", "C", "F"], "{shown}");
    }
}

#[test]
fn every_size_shows_the_progress_without_panic() {
    for hidden in [1, 3, 30, 100] {
        for size in SIZES {
            let state = running(hidden, 12);
            let shown = screen(&state, size);
            assert_shows(&shown, &["s"]);
            if size.0 >= 20 {
                assert_shows(&shown, &["sweep 12 of 40", "elapsed"]);
            }
        }
    }
    for width in 1..60 {
        for height in 1..30 {
            screen(&running(3, 2), (width, height));
        }
    }
}

#[test]
fn a_small_screen_shows_the_loss_and_answers_keys() {
    let mut state = running(3, 12);
    assert_shows(&screen(&state, (20, 5)), &["F 0.09872", "1:02:05 elapsed"]);
    state.ask_to_end();
    assert_shows(&screen(&state, (20, 5)), &["ends after", "F 0.09872"]);
}

#[test]
fn methods_without_auxiliary_variables_have_one_loss_and_no_residuals() {
    let original = ORIGINAL_LOSS.on(SplitName::Train);
    let mut state = state_of(&[original, ACCURACY.on(SplitName::Train)], 40);
    state.sweep_ended(&record(1, Figures::default().with(original, 0.25)));
    for size in [(80, 24), (160, 45)] {
        let shown = screen(&state, size);
        assert_shows(&shown, &["F original loss 0.25000", "Train accuracy"]);
        for word in ["certificate", "separated", "test", "Residuals", "S/F"] {
            assert!(!shown.contains(word), "{word} on\n{shown}");
        }
    }
}

#[test]
fn losses_of_zero_and_without_numbers_leave_the_rest_readable() {
    let original = ORIGINAL_LOSS.on(SplitName::Train);
    let mut state = state_of(&[original, SEPARATED_LOSS], 40);
    for size in SIZES {
        screen(&state, size);
    }
    for (sweep, loss) in [1.0, f64::NAN, 1e-3, 0.0].into_iter().enumerate() {
        let figures = Figures::default().with(original, loss);
        let figures = figures.with(SEPARATED_LOSS, f64::INFINITY);
        state.sweep_ended(&record(sweep, figures));
        for size in SIZES {
            screen(&state, size);
        }
    }
    let shown = screen(&state, (80, 24));
    assert_shows(&shown, &["F original loss 0.00000", " 1e-3 ┤", "    1 ┤"]);
}

#[test]
fn samples_and_requests_are_shown() {
    let mut state = running(3, 12);
    state.progressed(SweepProgress {
        sweep: 13,
        seen: 500,
        samples: 1000,
    });
    let shown = screen(&state, (80, 24));
    assert_shows(&shown, &["sweep 12 of 40 + 500 of 1000 samples", " 31% "]);
    state.ask_to_end();
    assert_shows(&screen(&state, (80, 24)), &["ends after this sweep"]);
}
