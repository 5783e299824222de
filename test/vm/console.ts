/** The guest's console as it arrives: for the message when something failed, and for what the kernel complains of. */
export class GuestConsole {
  private readonly decoder = new TextDecoder();
  private text = "";

  receive(chunk: Uint8Array): void {
    this.text += this.decoder.decode(chunk, { stream: true }).replaceAll("\r", "");
  }

  get length(): number {
    return this.text.length;
  }

  since(offset: number): string {
    return this.text.slice(offset);
  }

  /** What came after the guest's mark, that is since the command began. */
  sinceMark(mark: string): string {
    const start = this.text.indexOf(mark);
    return start < 0 ? "" : this.text.slice(start);
  }

  tail(lines: number): string {
    return this.text.trimEnd().split("\n").slice(-lines).join("\n");
  }
}
