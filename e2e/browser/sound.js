// A recording that every browser plays, made without an encoder.

/** A WAV file of so many bytes: silence, 16 bits, two channels, 48 kHz. */
export function silence(nBytes) {
  const [rate, channels, bytesPerSample] = [48_000, 2, 2];
  const file = Buffer.alloc(nBytes);
  file.write("RIFF", 0);
  file.writeUInt32LE(nBytes - 8, 4);
  file.write("WAVEfmt ", 8);
  file.writeUInt32LE(16, 16);
  file.writeUInt16LE(1, 20);
  file.writeUInt16LE(channels, 22);
  file.writeUInt32LE(rate, 24);
  file.writeUInt32LE(rate * channels * bytesPerSample, 28);
  file.writeUInt16LE(channels * bytesPerSample, 32);
  file.writeUInt16LE(8 * bytesPerSample, 34);
  file.write("data", 36);
  file.writeUInt32LE(nBytes - 44, 40);
  return file;
}
