/** A module that a serving thread imports while it serves. */
export const word = "import";
