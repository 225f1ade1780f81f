// The text of /metrics: what operator.md names and exists by now.
//
// Thread: the loop's. A scrape reads shared memory and the model; it changes nothing.
#pragma once

#include <string>

#include "ctl/daemon/daemon.h"
#include "ctl/metrics/series.h"
#include "ctl/metrics/text.h"

namespace fairlead::metrics {

class Exporter {
  public:
    explicit Exporter(daemon::Daemon& daemon) : daemon_(daemon) {}

    [[nodiscard]] std::string render(Format format);

  private:
    daemon::Daemon& daemon_;
    SeriesCache cache_;
    std::size_t last_bytes_ = 4096;  // of the last answer: the next will be about as large
};

// The parts, each a file.
void write_node(TextWriter& out, daemon::Daemon& daemon);
void write_process(TextWriter& out);
void write_services(TextWriter& out,
                    daemon::Daemon& daemon,
                    const std::vector<ServiceSeries>& series);
void write_backends(TextWriter& out,
                    daemon::Daemon& daemon,
                    const std::vector<ServiceSeries>& series);
void write_health(TextWriter& out, const daemon::Daemon& daemon);
void write_workers(TextWriter& out, daemon::Daemon& daemon);
void write_ports(TextWriter& out, daemon::Daemon& daemon);

}  // namespace fairlead::metrics
