// As plain JavaScript would have it: the types would not let this pass.
export default { open: () => ({ size: 4096 }), attach: () => ({ raed: () => {} }) };
