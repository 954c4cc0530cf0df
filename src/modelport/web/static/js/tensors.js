// Nested lists as tensors: their shape and their elements in row-major order.

export function shapeOf(value) {
  const shape = [];
  for (let at = value; Array.isArray(at); at = at[0]) shape.push(at.length);
  return shape;
}

export function flat(value) {
  return Array.isArray(value) ? value.flat(Infinity) : [value];
}

// Elements in row-major order as nested lists of that shape.
export function nested(elements, shape) {
  let level = elements;
  for (const length of shape.slice(1).reverse()) {
    const next = [];
    for (let at = 0; at < level.length; at += length) next.push(level.slice(at, at + length));
    level = next;
  }
  return level;
}

export const isBatched = (spec) => spec.shape === null || spec.shape[0] === -1;
