"""A window that shows frames."""

from __future__ import annotations

from typing import Any

import numpy as np
import pygame

from twin_envs.base.errors import ConfigurationError


class Window:
    """Opens with the first frame.

    Args:
        frames_per_second: `show` waits so long that no more are shown.
    """

    def __init__(self, frames_per_second: float) -> None:
        self._frames_per_second = frames_per_second
        self._clock = pygame.time.Clock()
        self._surface: pygame.Surface | None = None

    def __deepcopy__(self, memo: dict[int, Any]) -> Window:
        """A window that opens with a frame of its own: neither a clock nor what is on a screen can be copied."""
        return Window(self._frames_per_second)

    def show(self, frame: np.ndarray[Any, Any], title: str) -> None:
        """Show a frame, uint8 [H, W, 3].

        Raises:
            ConfigurationError: there is no display.
        """
        if self._surface is None:
            try:
                pygame.display.init()
                self._surface = pygame.display.set_mode((frame.shape[1], frame.shape[0]))
            except pygame.error as error:
                message = f"render_mode 'human' needs a display ({error}); without one take 'rgb_array'"
                raise ConfigurationError(message) from error
            pygame.display.set_caption(title)
        pygame.surfarray.blit_array(self._surface, frame.swapaxes(0, 1))
        pygame.event.pump()
        pygame.display.flip()
        self._clock.tick(self._frames_per_second)

    def close(self) -> None:
        """Close the window."""
        if self._surface is not None:
            self._surface = None
            pygame.display.quit()
