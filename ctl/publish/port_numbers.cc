#include "ctl/publish/port_numbers.h"

#include <algorithm>
#include <cstring>
#include <optional>

namespace fairlead::publish {

void PortNumbers::recover(std::span<const shm::Name> names) {
    for (std::size_t number = 0; number < std::min(names.size(), names_.size()); ++number) {
        const shm::Name& name = names[number];
        names_[number].assign(name.data(), ::strnlen(name.data(), name.size()));
    }
}

void PortNumbers::follow(const std::vector<std::string_view>& names) {
    std::array<bool, shm::kMaxPorts> is_used{};
    std::vector<std::optional<std::size_t>> chosen(names.size());
    const auto choose = [&](std::size_t place, auto fits) {
        for (std::size_t number = 0; !chosen[place] && number < names_.size(); ++number) {
            if (!is_used[number] && fits(names_[number])) {
                chosen[place] = number;
                is_used[number] = true;
            }
        }
    };
    for (std::size_t place = 0; place < names.size(); ++place) {
        if (!names[place].empty()) {
            choose(place, [&](const std::string& had) { return had == names[place]; });
        }
    }
    numbers_.clear();
    for (std::size_t place = 0; place < names.size(); ++place) {
        choose(place, [](const std::string& had) { return had.empty(); });
        choose(place, [](const std::string&) { return true; });
        const std::size_t number = chosen[place].value_or(0);
        names_[number] = names[place];
        numbers_.push_back(static_cast<std::uint8_t>(number));
    }
}

std::uint32_t PortNumbers::count() const {
    const auto highest = std::max_element(numbers_.begin(), numbers_.end());
    return highest == numbers_.end() ? 0 : *highest + 1U;
}

}  // namespace fairlead::publish
