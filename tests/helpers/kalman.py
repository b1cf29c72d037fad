"""Textbook pieces of a Kalman filter, in NumPy, to compare with."""

import numpy as np
from scipy.linalg import expm


def van_loan(gnss, imu, t):
    """Transition and process noise of one axis by the matrix exponential (Van Loan, 1978)."""
    system, noise = np.zeros((4, 4)), np.zeros((4, 4))
    system[0, 1], system[1, 2], system[3, 3] = 1.0, -1.0, -1.0 / gnss.bias_time_s
    noise[1, 1], noise[2, 2] = imu.velocity_walk_m_s**2, imu.bias_walk_m_s2**2
    noise[3, 3] = 2 * gnss.bias_m**2 / gnss.bias_time_s
    block = expm(np.block([[-system, noise], [np.zeros((4, 4)), system.T]]) * t)
    transition = block[4:, 4:].T
    return transition, transition @ block[:4, 4:]


def updated(state, covariance, rows, off, noise):
    """State and covariance after a measurement, in Joseph's form.

    Args:
        rows: derivative of what is measured by the states [m, n].
        off: expected less measured [m].
        noise: variances of the measurement [m].
    """
    gain = covariance @ rows.T @ np.linalg.inv(rows @ covariance @ rows.T + np.diag(noise))
    rest = np.eye(len(state)) - gain @ rows
    return state - gain @ off, rest @ covariance @ rest.T + gain @ np.diag(noise) @ gain.T
