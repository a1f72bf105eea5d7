package questions

// ReportFormat is the format of a report's file: package probe writes it, the fake server reads it. It grows when a
// reader of the old format would misread a new file.
const ReportFormat = 1
