//! Kernels of one bit per weight.

use burn::tensor::Tensor;

/// Returns `α sign W` for a kernel `W`, `[d_in, d_out]`: `α_j = mean_i |W_ij|` of each output, which makes it the nearest kernel of its
/// signs in the Frobenius norm. The sign of 0 is 1.
///
/// Autodiff sees the straight-through estimator: the derivative of the identity.
///
/// Source: Rastegari, Ordonez, Redmon and Farhadi, *XNOR-Net* (arXiv 1603.05279), section 3.1.
pub fn binarized(kernel: Tensor<2>) -> Tensor<2> {
    let plain = kernel.clone().detach();
    let scale = plain.clone().abs().mean_dim(0).expand(plain.dims());
    let binary = scale.clone().mask_where(plain.lower_elem(0.0), -scale);
    if !kernel.is_tracked() {
        return binary;
    }
    kernel.clone() - kernel.detach() + binary
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::linalg::to_f64;

    fn kernel() -> Tensor<2> {
        Tensor::from_data([[0.5, -2.0], [-0.1, 1.0], [0.0, 3.0]], &Device::flex())
    }

    #[test]
    fn entries_have_the_signs_of_the_kernel_and_the_mean_size_of_their_output() {
        let found = to_f64(binarized(kernel())).unwrap();
        let expected = [0.2, -2.0, -0.2, 2.0, 0.2, 2.0];
        // A mean of three numbers in f32.
        let off = found.iter().zip(expected).map(|(a, b)| (a - b).abs());
        assert!(off.fold(0.0, f64::max) < 1e-6, "{found:?}");
        // What has one bit keeps it.
        let again = to_f64(binarized(binarized(kernel()))).unwrap();
        assert_eq!(again, found);
    }

    #[test]
    fn no_other_scale_of_an_output_is_nearer_to_the_kernel() {
        let distance = |binary: Tensor<2>| {
            let off = kernel() - binary;
            to_f64((off.clone() * off).sum()).unwrap()[0]
        };
        let nearest = distance(binarized(kernel()));
        for factor in [0.9, 0.99, 1.01, 1.1] {
            assert!(distance(binarized(kernel()) * factor) > nearest, "{factor}");
        }
    }

    #[test]
    fn autodiff_passes_straight_through_and_changes_no_value() {
        let leaf = kernel().autodiff().require_grad();
        let output = binarized(leaf.clone());
        assert_eq!(
            to_f64(output.clone().inner()).unwrap(),
            to_f64(binarized(kernel())).unwrap()
        );
        let weights = kernel() + 1.0;
        let product = output * weights.clone();
        let gradient = leaf.grad(&product.sum().backward()).unwrap();
        assert_eq!(to_f64(gradient).unwrap(), to_f64(weights).unwrap());
    }
}
