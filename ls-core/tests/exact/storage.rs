//! What is kept of the samples, and in which chunks they come, changes nothing.

use super::*;

/// Dense, convolutions with pooling, skips: one network of each kind.
fn kinds() -> [(&'static str, Problem); 3] {
    let [first, second] = moderate(Activation::Tanh, 33);
    [
        ("dense", Shape::moderate(Activation::Silu, 34).problem()),
        ("max pooling, residual convolution", first.problem()),
        ("stride, average pooling, residual", second.problem()),
    ]
}

/// Settings that leave no choice, so that rounding cannot tip the balance between two candidates.
fn fixed(scaling: Scaling) -> ExactConfig {
    ExactConfig {
        step: Some(0.3),
        damping: Some(0.1),
        scaling: Some(scaling),
        ..ExactConfig::default()
    }
}

/// Largest difference of the weights, relative to the largest of each stage, and of `ln F`, over five sweeps.
fn distance(problem: &Problem, one: ExactConfig, other: ExactConfig) -> f64 {
    let mut runs = [one, other].map(|config| Run::new(problem.clone(), config));
    let mut largest = 0.0_f64;
    for _ in 0..5 {
        let reports = runs.each_mut().map(Run::sweep);
        assert_eq!(reports[0].accepted(), 1, "nothing would be compared");
        assert_eq!(reports[0].candidate(), reports[1].candidate());
        let [one, other] = runs.each_ref().map(Run::problem);
        for (one, other) in one.layers.iter().zip(&other.layers) {
            let [one, other] = [one, other].map(|layer| layer.bordered().concat());
            let size = one.iter().fold(0.0_f64, |size, v| size.max(v.abs()));
            let apart = difference(&one, &other).into_iter().map(f64::abs);
            largest = apart.fold(largest, |largest, v| largest.max(v / size));
        }
        let losses = runs.each_mut().map(|run| run.state().reported);
        largest = largest.max((losses[0] / losses[1]).ln().abs());
    }
    largest
}

#[test]
fn recomputing_gives_what_storing_gives() {
    for (name, problem) in kinds() {
        for &scaling in Scaling::VARIANTS {
            for chunk in [None, Some(5)] {
                let config = |storage| ExactConfig {
                    storage,
                    chunk,
                    ..fixed(scaling)
                };
                let [stored, recomputed] = [Storage::Stored, Storage::Recomputed].map(config);
                let error = distance(&problem, stored, recomputed);
                // The same operations in the same order; where a compiler reorders them, a few roundings.
                assert!(error < 1e-5, "{name}, {scaling:?}, {chunk:?}: {error}");
            }
        }
    }
}

#[test]
fn the_size_of_the_chunks_does_not_matter() {
    for (name, problem) in kinds() {
        for storage in [Storage::Stored, Storage::Recomputed] {
            for chunk in [1, 5, problem.inputs.len()] {
                let config = |chunk| ExactConfig {
                    storage,
                    chunk,
                    ..fixed(Scaling::Rms)
                };
                let error = distance(&problem, config(None), config(Some(chunk)));
                // Sums over other chunks round otherwise, by 1e-7; the fits' ridge of 0.1 lets that grow to some 1e-6.
                assert!(error < 2e-5, "{name}, chunk {chunk}: {error}");
            }
        }
    }
}

#[test]
fn samples_in_shards_give_the_same_bits() {
    for (name, problem) in kinds() {
        for storage in [Storage::Stored, Storage::Recomputed] {
            let config = ExactConfig {
                storage,
                chunk: Some(3),
                ..ExactConfig::default()
            };
            let mut runs = [config, config].map(|config| Run::new(problem.clone(), config));
            let shards = Shards::new(vec![Device::flex(); 3], vec![1, 3, 1]).unwrap();
            runs[1].batch = runs[1].batch.clone().sharded(shards);
            for _ in 0..4 {
                let [plain, shared] = runs.each_mut().map(Run::sweep);
                assert_eq!(plain, shared, "{name}");
                let [plain, shared] = runs
                    .each_mut()
                    .map(|run| run.method.measure(&mut run.model, &run.batch).unwrap());
                assert_eq!(plain, shared, "{name}");
            }
        }
    }
}
