//! The distribution that the flags of `synth` name.

use serde::Serialize;

use crate::error::{Error, Result};
use crate::interaction::lattice::Lattice;
use crate::interaction::truth::{
    Clusters, ClustersShape, Gaussian, Generator, Prior, Rdn, Unq, Warp, Wide, WideShape, Xor,
};

use super::args::{GeneratorName, SynthArgs};

/// The parameters of the distribution with defaults filled in. They are written into the
/// file's metadata so that the file can be reproduced.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Parameters {
    generator: GeneratorName,
    seed: u64,
    /// Where there are more than two.
    #[serde(skip_serializing_if = "Option::is_none")]
    modalities: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prior: Option<Vec<f64>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rho: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sigma: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    dims: Option<Vec<usize>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    distribution_seed: Option<u64>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    warp: bool,
}

/// Makes the distribution from the flags.
///
/// # Errors
/// [`Error::Usage`] where flags contradict each other or the distribution.
pub(super) fn generator(args: &SynthArgs) -> Result<(Generator, Parameters)> {
    refuse_unused(args)?;
    let modalities = modalities(args)?;
    let (rho, sigma) = (args.rho.unwrap_or(0.5), args.sigma.unwrap_or(0.5));
    let distribution_seed = args.distribution_seed.unwrap_or(0);
    let mut parameters = Parameters {
        generator: args.generator,
        seed: args.seed,
        modalities: (modalities > 2).then_some(modalities),
        prior: None,
        rho: None,
        sigma: None,
        dims: None,
        distribution_seed: None,
        warp: args.warp,
    };
    let generator = match args.generator {
        GeneratorName::Xor => Generator::Xor(Xor::new()?),
        GeneratorName::Rdn => Generator::Rdn(Rdn::new()?),
        GeneratorName::Unq => Generator::Unq(Unq::new()?),
        GeneratorName::Gaussian => {
            let prior = prior(args)?;
            parameters.prior = Some(prior.probabilities().to_vec());
            (parameters.rho, parameters.sigma) = (Some(rho), Some(sigma));
            Generator::Gaussian(Gaussian::new(modalities, prior, rho, sigma)?)
        }
        GeneratorName::Wide | GeneratorName::Clusters => {
            let prior = prior(args)?;
            let dims = dims(args, modalities);
            parameters.prior = Some(prior.probabilities().to_vec());
            (parameters.sigma, parameters.dims) = (Some(sigma), Some(dims.clone()));
            parameters.distribution_seed = Some(distribution_seed);
            if args.generator == GeneratorName::Wide {
                parameters.rho = Some(rho);
                Generator::Wide(Wide::new(WideShape { dims, prior, rho, sigma, distribution_seed })?)
            } else {
                Generator::Clusters(Clusters::new(ClustersShape { dims, prior, sigma, distribution_seed })?)
            }
        }
    };
    if args.warp {
        parameters.distribution_seed = Some(distribution_seed);
        let warp = Warp::new(&generator.dims(), distribution_seed);
        return Ok((Generator::Warped(Box::new(generator), warp), parameters));
    }
    Ok((generator, parameters))
}

/// Refuses flags that the distribution does not use, which would otherwise have no effect.
fn refuse_unused(args: &SynthArgs) -> Result<()> {
    let of = |names: &[GeneratorName]| names.contains(&args.generator);
    let (any_dims, classes) = ("wide and clusters have", "gaussian, wide and clusters have");
    let has_dims = of(&[GeneratorName::Wide, GeneratorName::Clusters]);
    let has_classes = has_dims || of(&[GeneratorName::Gaussian]);
    let has_rho = of(&[GeneratorName::Gaussian, GeneratorName::Wide]);
    let flags = [
        ("--classes", args.classes.is_some(), has_classes, classes),
        ("--prior", args.prior.is_some(), has_classes, classes),
        ("--rho", args.rho.is_some(), has_rho, "gaussian and wide have"),
        ("--sigma", args.sigma.is_some(), has_classes, classes),
        ("--d1", args.d1.is_some(), has_dims, any_dims),
        ("--d2", args.d2.is_some(), has_dims, any_dims),
        ("--d3", args.d3.is_some(), has_dims, any_dims),
        ("--d4", args.d4.is_some(), has_dims, any_dims),
        ("--dims", args.dims.is_some(), has_dims, any_dims),
        ("--distribution-seed", args.distribution_seed.is_some(), has_dims || args.warp, any_dims),
    ];
    for (flag, given, has_use, users) in flags {
        if given && !has_use {
            return Err(Error::Usage(format!("this generator has no {flag}: only {users} one")));
        }
    }
    if args.modalities.is_some_and(|modalities| modalities > 2) && !has_classes {
        return Err(Error::Usage(format!("this generator has two modalities: only {classes} more")));
    }
    Ok(())
}

/// The number of modalities: as given, or as many as have a dimension, at least two.
fn modalities(args: &SynthArgs) -> Result<usize> {
    let single = [args.d1, args.d2, args.d3, args.d4];
    let last = single.iter().rposition(Option::is_some).map_or(0, |last| last + 1);
    let with_dimension = args.dims.as_ref().map_or(last, Vec::len);
    let modalities = args.modalities.unwrap_or(with_dimension.max(2));
    if !(2..=Lattice::MODALITIES).contains(&modalities) {
        return Err(Error::Usage(format!("{modalities} modalities: two to four have exact values")));
    }
    match &args.dims {
        Some(dims) if dims.len() != modalities => Err(Error::Usage(format!(
            "--dims has {} of {modalities} dimensions: give one for each modality",
            dims.len()
        ))),
        None if last > modalities => Err(Error::Usage(format!(
            "--d{last} is the dimension of a modality that --modalities {modalities} does not have"
        ))),
        _ => Ok(modalities),
    }
}

fn dims(args: &SynthArgs, modalities: usize) -> Vec<usize> {
    let single = [args.d1, args.d2, args.d3, args.d4];
    let each = || single.into_iter().take(modalities).map(|d| d.unwrap_or(128)).collect();
    args.dims.clone().unwrap_or_else(each)
}

fn prior(args: &SynthArgs) -> Result<Prior> {
    match (&args.prior, args.classes) {
        (None, classes) => Prior::uniform(classes.unwrap_or(10)),
        (Some(p), Some(classes)) if p.len() != classes => Err(Error::Usage(format!(
            "--prior has {} probabilities for --classes {classes}: give one for each class",
            p.len()
        ))),
        (Some(p), _) => Prior::new(p.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::args::parse;
    use super::*;

    #[test]
    fn flags_make_the_generator() {
        let (g, p) = generator(&parse("gaussian -o f --rows 5 --prior .5,.3,.2 --rho -0.25")).unwrap();
        assert_eq!((g.classes(), g.dims(), p.rho, p.sigma), (3, vec![3, 3], Some(-0.25), Some(0.5)));
        let (g, _) = generator(&parse("wide -o f --rows 5 --d1 7 --d2 9 --classes 40")).unwrap();
        assert_eq!((g.classes(), g.dims()), (40, vec![7, 9]));
        assert_eq!(generator(&parse("gaussian -o f --rows 5")).unwrap().0.classes(), 10);
    }

    #[test]
    fn flags_make_three_and_four_modalities() {
        for (line, dims) in [
            ("gaussian --modalities 3 --classes 4", vec![4, 4, 4]),
            ("gaussian --modalities 3 --classes 4 --warp", vec![4, 4, 4]),
            ("wide --modalities 3", vec![128, 128, 128]),
            ("wide --d1 4 --d3 6", vec![4, 128, 6]),
            ("wide --dims 4,5,6,7", vec![4, 5, 6, 7]),
            ("clusters --dims 4,5,6 --modalities 3", vec![4, 5, 6]),
            ("xor --modalities 2", vec![8, 8]),
        ] {
            let (g, p) = generator(&parse(&format!("{line} -o f --rows 5"))).unwrap();
            assert_eq!(g.dims(), dims, "{line}");
            assert_eq!(p.modalities, (dims.len() > 2).then_some(dims.len()), "{line}");
        }
    }

    #[test]
    fn flags_that_do_not_fit_are_usage_errors() {
        let lines = [
            ("xor -o f --rows 5 --rho 0.2", "no --rho"),
            ("gaussian -o f --rows 5 --d1 9", "no --d1"),
            ("gaussian -o f --rows 5 --prior .5,.4", "sum to 1"),
            ("gaussian -o f --rows 5 --prior .5,.5 --classes 3", "one for each class"),
            ("gaussian -o f --rows 5 --classes 1", "at least two"),
            ("gaussian -o f --rows 5 --rho 1", "--rho 1"),
            ("wide -o f --rows 5 --sigma 0", "--sigma 0"),
            ("wide -o f --rows 5 --d2 0", "the dimension of x2"),
            ("wide -o f --rows 5 --dims 5,6,0", "the dimension of x3"),
            (
                "xor -o f --rows 5 --modalities 3",
                "two modalities: only gaussian, wide and clusters have more",
            ),
            ("gaussian -o f --rows 5 --d3 9", "no --d3"),
            ("gaussian -o f --rows 5 --dims 3,3", "no --dims"),
            ("gaussian -o f --rows 5 --modalities 5", "5 modalities: two to four"),
            ("wide -o f --rows 5 --modalities 1", "1 modalities: two to four"),
            ("wide -o f --rows 5 --modalities 3 --dims 3,4", "--dims has 2 of 3 dimensions"),
            ("wide -o f --rows 5 --dims 3", "--dims has 1 of 2 dimensions"),
            ("wide -o f --rows 5 --modalities 2 --d3 7", "--d3"),
            ("wide -o f --rows 5 --modalities 3 --rho -0.5", "between -1/2 and 1"),
        ];
        for (line, message) in lines {
            let error = generator(&parse(line)).unwrap_err();
            assert_eq!(error.exit_code(), 64, "{line}");
            assert!(error.to_string().contains(message), "{line}: {error}");
        }
    }
}
