// A family of metrics with one sample for each row of a table, by the row's labels.
#pragma once

#include <string_view>
#include <vector>

#include "ctl/metrics/text.h"

namespace fairlead::metrics {

// A Row points to its rendered `labels` (text.h); `value` gives what it has in this family.
template <typename Row, typename Value>
void write_family(TextWriter& out,
                  const std::vector<Row>& rows,
                  std::string_view name,
                  Type type,
                  std::string_view help,
                  const Value& value) {
    out.family(name, type, help);
    for (const Row& row : rows) {
        out.sample(*row.labels, "", value(row));
    }
}

}  // namespace fairlead::metrics
