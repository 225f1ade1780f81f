// Files that are whole or not there, whenever the machine stops.
#pragma once

#include <string>
#include <string_view>

#include <sys/types.h>

#include "dp/base/result.h"

namespace fairlead::model {

// Replaces `path` by `text`: a temporary file beside it, fsync, rename, fsync of the directory.
// Blocks for as long as the disk takes. On an error the old file stands.
[[nodiscard]] Status write_file_atomically(const std::string& path,
                                           std::string_view text,
                                           mode_t mode);

// The whole file; an error if it is larger than `limit` bytes. `missing` is set where it is not
// there.
[[nodiscard]] Result<std::string> read_file(const std::string& path,
                                            std::size_t limit,
                                            bool& missing);

}  // namespace fairlead::model
