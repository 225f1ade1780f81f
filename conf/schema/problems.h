// The list of mistakes while a configuration is read: each with its place, all of them kept.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "conf/schema/document.h"
#include "conf/schema/parse.h"

namespace fairlead::conf {

class Problems {
  public:
    // A file can be wrong in every line; past this many, mistakes are counted and no longer kept.
    static constexpr std::size_t kMaxKept = 500;

    void add(Place place, std::string message);
    [[nodiscard]] bool empty() const noexcept { return kept_.empty(); }
    // The mistakes in the order of the text, with the lines of `text` they stand in.
    [[nodiscard]] ConfigErrors located(std::string_view text, std::string_view file) const;

  private:
    struct Problem {
        Place place;
        std::string message;
    };
    std::vector<Problem> kept_;
    std::size_t dropped_ = 0;
};

// `text` in double quotes as a message may show it: control characters escaped, long text cut.
[[nodiscard]] std::string quoted(std::string_view text);

}  // namespace fairlead::conf
