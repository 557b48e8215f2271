/**
 * Pointer, wheel and touch on a stage become intents: drag, pinch, wheel, hover, press, release. Which tool they serve is not known here.
 *
 * A stage takes the wheel and single-finger drags only once it has the focus, so that the page can be scrolled past it.
 */

const point = (stage, event) => {
  const box = stage.getBoundingClientRect();
  return { x: event.clientX - box.left, y: event.clientY - box.top };
};

/** `handlers`: { start(point, how), move(point, delta), end(point, moved), pinch({ factor, x, y, dx, dy }), wheel, hover, leave }. */
export function gesturesAttach(stage, handlers) {
  const pointers = new Map();
  let moved = 0;

  const pinchOf = () => {
    const [one, other] = [...pointers.values()];
    return {
      x: (one.x + other.x) / 2,
      y: (one.y + other.y) / 2,
      apart: Math.max(1, Math.hypot(one.x - other.x, one.y - other.y)),
    };
  };

  stage.addEventListener('pointerdown', (event) => {
    if (event.pointerType === 'touch' && document.activeElement !== stage) return; // the first tap gives it the focus
    const at = point(stage, event);
    stage.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, at);
    if (pointers.size > 1) return;
    moved = 0;
    stage.focus({ preventScroll: true });
    handlers.start(at, { button: event.button, shift: event.shiftKey });
  });

  stage.addEventListener('pointermove', (event) => {
    const at = point(stage, event);
    const before = pointers.get(event.pointerId);
    if (!before) {
      if (event.pointerType !== 'touch') handlers.hover(at);
      return;
    }
    if (pointers.size === 2) {
      const was = pinchOf();
      pointers.set(event.pointerId, at);
      const is = pinchOf();
      handlers.pinch({ factor: is.apart / was.apart, x: is.x, y: is.y, dx: is.x - was.x, dy: is.y - was.y });
      return;
    }
    pointers.set(event.pointerId, at);
    moved += Math.abs(at.x - before.x) + Math.abs(at.y - before.y);
    handlers.move(at, { dx: at.x - before.x, dy: at.y - before.y });
  });

  const up = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    if (pointers.size === 0) handlers.end(point(stage, event), moved > 3);
  };
  stage.addEventListener('pointerup', up);
  stage.addEventListener('pointercancel', up);
  stage.addEventListener('pointerleave', () => handlers.leave());
  stage.addEventListener('contextmenu', (event) => event.preventDefault()); // the second button sets the window

  stage.addEventListener(
    'wheel',
    (event) => {
      if (document.activeElement !== stage && !event.ctrlKey) return;
      event.preventDefault();
      const step = event.deltaMode === 1 ? event.deltaY * 16 : event.deltaY;
      handlers.wheel({ factor: 2 ** (-step / 400), ...point(stage, event) });
    },
    { passive: false },
  );
}
