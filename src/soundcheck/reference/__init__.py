"""The reference deployment: a real, small transcription service, with defects on demand."""
